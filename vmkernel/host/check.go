package host

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Limits of a machine's devices.
const (
	MaxDisks      = 32
	MaxNICs       = 16
	MaxDeviceName = 20       // bytes; a virtio disk's serial number has room for as many
	MaxDiskMiB    = 16 << 20 // 16 TiB
	MaxVLAN       = 4094
	// MaxConsoles is what virtio consoles are tested for, MaxConsoleName what a
	// message with a port's name has room for, in bytes.
	MaxConsoles    = 16
	MaxConsoleName = 64
)

// CPULevels are the values of Config.CPULevel, beside "", which is "host". What they
// mean is in package vcpu.
var CPULevels = []string{"host", "x86-64-v2", "x86-64-v3", "x86-64-v4",
	"intel-nehalem", "intel-westmere", "intel-sandybridge", "intel-ivybridge", "intel-haswell", "intel-broadwell",
	"intel-skylake", "intel-skylake-server", "intel-icelake-server",
	"amd-opteron-g3", "amd-opteron-g4", "amd-opteron-g5", "amd-epyc", "amd-epyc-rome", "amd-epyc-milan"}

// CheckDevices checks what a configuration says about devices and CPU level,
// before any host is asked. Errors: ConfigError.
func (c *Config) CheckDevices() error {
	if c.UUID != "" {
		if _, err := ParseUUID(c.UUID); err != nil {
			return &ConfigError{"uuid", err}
		}
	}
	if err := c.CPU.Check(); err != nil {
		return err
	}
	if err := c.checkMemory(); err != nil {
		return err
	}
	if err := c.checkAPICIDs(); err != nil {
		return err
	}
	if c.CPULevel != "" && !slices.Contains(CPULevels, c.CPULevel) {
		return &ConfigError{"cpuLevel", fmt.Errorf("unknown level %q, known are %s", c.CPULevel, strings.Join(CPULevels, ", "))}
	}
	if c.VsockCID != 0 && (c.VsockCID < MinVsockCID || c.VsockCID > MaxVsockCID) {
		return &ConfigError{"vsockCID", fmt.Errorf("%d, %d to %d are possible, 0 for none", c.VsockCID, MinVsockCID, uint32(MaxVsockCID))}
	}
	if c.Hardware != 0 && (c.Hardware < HardwareOldest || c.Hardware > HardwareNewest) {
		return &ConfigError{"hardware", fmt.Errorf("version %d, this host knows %d to %d", c.Hardware, HardwareOldest, HardwareNewest)}
	}
	if n := len(c.Disks); n > MaxDisks {
		return &ConfigError{"disks", fmt.Errorf("%w: %d disks, a machine can have %d", ErrTooMany, n, MaxDisks)}
	}
	if n := len(c.NICs); n > MaxNICs {
		return &ConfigError{"nics", fmt.Errorf("%w: %d network adapters, a machine can have %d", ErrTooMany, n, MaxNICs)}
	}
	if err := c.checkConsoles(); err != nil {
		return err
	}
	names := map[string]bool{}
	name := func(n string) error {
		if err := checkDeviceName(n); err != nil {
			return err
		}
		if names[n] {
			return fmt.Errorf("a device with the name %q %w", n, ErrExists)
		}
		names[n] = true
		return nil
	}
	for i, d := range c.Disks {
		at := fmt.Sprintf("disks[%d].", i)
		if err := name(d.Name); err != nil {
			return &ConfigError{at + "name", err}
		}
		if f, err := d.check(); err != nil {
			return &ConfigError{at + f, err}
		}
		for _, o := range c.Disks[:i] {
			if d.Image != "" && d.Image == o.Image && !(d.ReadOnly && o.ReadOnly) {
				return &ConfigError{at + "image", fmt.Errorf("%q is disk %q already; only disks that are all read-only can share an image", d.Image, o.Name)}
			}
		}
	}
	for i, n := range c.NICs {
		at := fmt.Sprintf("nics[%d].", i)
		if err := name(n.Name); err != nil {
			return &ConfigError{at + "name", err}
		}
		if f, err := n.check(); err != nil {
			return &ConfigError{at + f, err}
		}
		for _, o := range c.NICs[:i] {
			if n.MAC != "" && strings.EqualFold(n.MAC, o.MAC) {
				return &ConfigError{at + "mac", fmt.Errorf("%s is adapter %q already", n.MAC, o.Name)}
			}
			for _, f := range n.Forwards {
				if slices.ContainsFunc(o.Forwards, f.Meets) {
					return &ConfigError{at + "forwards", fmt.Errorf("%s port %d is forwarded to adapter %q already", f.Protocol, f.HostPort, o.Name)}
				}
			}
		}
	}
	return nil
}

func checkDeviceName(n string) error {
	if n == "" || len(n) > MaxDeviceName {
		return fmt.Errorf("1 to %d characters are needed", MaxDeviceName)
	}
	for i, c := range []byte(n) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || i > 0 && c == '-') {
			return fmt.Errorf("the character %q is not allowed in a device's name at position %d", c, i+1)
		}
	}
	return nil
}

func (c *Config) checkConsoles() error {
	if n := len(c.Consoles); n > MaxConsoles {
		return &ConfigError{"consoles", fmt.Errorf("%w: %d console ports, a machine can have %d", ErrTooMany, n, MaxConsoles)}
	}
	for i, p := range c.Consoles {
		err := checkConsoleName(p.Name)
		if err == nil && slices.ContainsFunc(c.Consoles[:i], func(o ConsoleConfig) bool { return o.Name == p.Name }) {
			err = fmt.Errorf("a console port with the name %q %w", p.Name, ErrExists)
		}
		if err != nil {
			return &ConfigError{fmt.Sprintf("consoles[%d].name", i), err}
		}
	}
	return nil
}

// checkConsoleName: no name looks like a serial port's number, nor, in a guest's /dev,
// like a path.
func checkConsoleName(n string) error {
	if n == "" || len(n) > MaxConsoleName {
		return fmt.Errorf("1 to %d characters are needed", MaxConsoleName)
	}
	for i, c := range []byte(n) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && (c >= '0' && c <= '9' || strings.IndexByte("._-", c) >= 0)
		if !ok {
			return fmt.Errorf("the character %q is not allowed in a console port's name at position %d", c, i+1)
		}
	}
	return nil
}

// check gives the field that is wrong.
func (d *DiskConfig) check() (string, error) {
	switch d.Kind {
	case DiskImage:
		if d.Image == "" {
			return "image", errors.New("a disk of this kind needs an image's path")
		}
		if d.SizeMiB != 0 {
			return "sizeMiB", errors.New("an image has its own size")
		}
		return "", nil
	case DiskRAM, DiskNull:
		if d.Image != "" {
			return "image", fmt.Errorf("a disk of kind %q has no image", d.Kind)
		}
		if d.SizeMiB < 1 || d.SizeMiB > MaxDiskMiB {
			return "sizeMiB", fmt.Errorf("%d MiB, 1 to %d are possible", d.SizeMiB, MaxDiskMiB)
		}
		return "", nil
	}
	return "kind", fmt.Errorf("unknown kind %q, known are %s, %s, %s", d.Kind, DiskImage, DiskRAM, DiskNull)
}

func (n *NICConfig) check() (string, error) {
	if err := CheckNetwork(n.Network); err != nil {
		return "network", err
	}
	if n.MAC != "" {
		if err := CheckMAC(n.MAC); err != nil {
			return "mac", err
		}
	}
	if n.VLAN < 0 || n.VLAN > MaxVLAN {
		return "vlan", fmt.Errorf("%d, 1 to %d are possible, 0 for none", n.VLAN, MaxVLAN)
	}
	return "forwards", n.checkForwards()
}

// CheckNetwork says whether a network's name is well-formed.
func CheckNetwork(n string) error {
	if n == "" || len(n) > 63 {
		return errors.New("a network's name has 1 to 63 characters")
	}
	for i, c := range []byte(n) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || i > 0 && strings.IndexByte("._-", c) >= 0
		if !ok {
			return fmt.Errorf("the character %q is not allowed in a network's name at position %d", c, i+1)
		}
	}
	return nil
}

// CheckMAC says whether an adapter can have this address.
func CheckMAC(s string) error {
	mac, err := net.ParseMAC(s)
	switch {
	case err != nil || len(mac) != 6 || strings.Count(s, ":") != 5:
		return fmt.Errorf("%q is not an address such as 52:54:00:12:34:56", s)
	case mac[0]&1 != 0:
		return fmt.Errorf("%s is a multicast address", s)
	case [6]byte(mac) == [6]byte{}:
		return fmt.Errorf("%s is no adapter's address", s)
	}
	return nil
}
