package hostnet

import (
	"errors"
	"fmt"
	"os"

	"basalt/drivers/nicprobe"
	"basalt/vmkernel/hw"
	"basalt/vmkernel/netstack"
	"basalt/vmkernel/sys"
	"basalt/vmkernel/vfs"
)

var (
	// ErrOverlay says that the kernel was built without cmd/mkoverlay's overlay, so
	// that neither files nor sockets can work.
	ErrOverlay = errors.New("hostnet: built without the overlay")
	// ErrNoDevice says that there is no usable network device. The loopback
	// interface works.
	ErrNoDevice = errors.New("hostnet: no usable network device")
)

// Config is what the host's settings say.
type Config struct {
	Hostname string
	Setting  netstack.Setting
	Limits   netstack.Limits
	// FileBytes is the budget of files in memory, in bytes; 0 is the default of
	// package vfs.
	FileBytes int64
	// Logf gets one line for each device and each change of an address.
	Logf func(format string, args ...any)
}

// Host is what Start made.
type Host struct {
	*netstack.Host
	Files *vfs.FS
	NICs  []nicprobe.NIC
	// Networks are what virtual machines can be on.
	Networks *Networks
}

// Start does it all, except waiting for an address (netstack.Host.Ready). With
// ErrNoDevice the Host is there and usable. m may be nil: loopback only.
func Start(m *hw.Machine, c Config) (*Host, error) {
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	files, err := vfs.New(vfs.Config{Bytes: c.FileBytes})
	if err != nil {
		return nil, fmt.Errorf("hostnet: files: %w", err)
	}
	if !sys.Install(files, nil) {
		return nil, ErrOverlay
	}
	sys.InstallPipes()
	net, err := netstack.Bring(netstack.Config{
		Hostname:  c.Hostname,
		Setting:   c.Setting,
		Limits:    c.Limits,
		Logf:      c.Logf,
		WriteFile: func(name string, text []byte) error { return os.WriteFile(name, text, 0o644) },
	})
	if err != nil {
		return nil, fmt.Errorf("hostnet: network: %w", err)
	}
	sys.Install(nil, net.Socket)
	h := &Host{Host: net, Files: files}
	h.Networks = &Networks{own: h.Addresses, servers: h.DNS}
	if m != nil {
		h.NICs = nicprobe.Open(m.Functions)
	}
	links := 0
	for _, n := range h.NICs {
		c.Logf("%v", n)
		if n.Err != nil {
			continue
		}
		own, err := h.Networks.behind(n.Link)
		if err == nil {
			_, err = net.Attach(own)
		}
		if err != nil {
			c.Logf("%s: %v", n.Link.Name(), err)
			continue
		}
		links++
	}
	if links == 0 {
		return h, ErrNoDevice
	}
	return h, nil
}
