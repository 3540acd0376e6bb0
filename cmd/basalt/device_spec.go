package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"basalt/mgmt/wire"
)

// parseSize gives bytes. A number without a unit is MiB, as everywhere else.
func parseSize(s string) (int64, error) {
	upper := strings.ToUpper(s) // not always as long as s
	digits := strings.TrimRight(upper, "KMGTIB")
	shift, ok := map[string]int{"": 20, "B": 0, "K": 10, "KIB": 10, "M": 20, "MIB": 20, "G": 30, "GIB": 30, "T": 40, "TIB": 40}[upper[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !ok || n < 0 || n > math.MaxInt64>>shift {
		return 0, usageError(fmt.Sprintf("%q is not a size, such as 512 (MiB), 10G or 4096B", s))
	}
	return n << shift, nil
}

// parseDisk reads image=PATH, ram=SIZE or null=SIZE with the options ro and
// name=NAME behind commas.
func parseDisk(s string) (d wire.Disk, err error) {
	bad := func(why string) (wire.Disk, error) {
		return wire.Disk{}, usageError(fmt.Sprintf("disk %q: %s; such as image=debian.img,ro or ram=64M or null=1G", s, why))
	}
	for part := range strings.SplitSeq(s, ",") {
		key, value, has := strings.Cut(part, "=")
		switch {
		case key == "ro" && !has:
			d.ReadOnly = true
		case key == "name" && has:
			d.Name = value
		case (key == "image" || key == "ram" || key == "null") && has && d.Kind == "":
			d.Kind = key
			if key == "image" {
				d.Image = value
				break
			}
			n, err := parseSize(value)
			if err != nil {
				return bad(err.Error())
			}
			if n == 0 || n%(1<<20) != 0 || n>>20 > math.MaxInt32 {
				return bad("a size is a number of whole MiB")
			}
			d.SizeMiB = int(n >> 20)
		default:
			return bad(fmt.Sprintf("%q is not understood here", part))
		}
	}
	if d.Kind == "" || d.Kind == "image" && d.Image == "" {
		return bad("it says nothing about what is behind it")
	}
	return d, nil
}

// parseNIC reads NETWORK with the options mac=, vlan=, name= and forward= behind
// commas; the last may be repeated.
func parseNIC(s string) (n wire.NIC, err error) {
	bad := func(why string) (wire.NIC, error) {
		return wire.NIC{}, usageError(fmt.Sprintf("network adapter %q: %s; such as nat or lab,mac=52:54:00:12:34:56,vlan=5", s, why))
	}
	network, rest, more := strings.Cut(s, ",")
	if network == "" || strings.Contains(network, "=") {
		return bad("the network's name comes first")
	}
	n.Network = network
	for more {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		key, value, has := strings.Cut(part, "=")
		switch {
		case key == "mac" && has:
			n.MAC = value
		case key == "name" && has:
			n.Name = value
		case key == "forward" && has:
			f, err := parseForward(value)
			if err != nil {
				return bad(err.Error())
			}
			n.Forwards = append(n.Forwards, f)
		case key == "vlan" && has:
			if n.VLAN, err = strconv.Atoi(value); err != nil || n.VLAN < 1 || n.VLAN > 4094 {
				return bad("a VLAN is a number from 1 to 4094")
			}
		default:
			return bad(fmt.Sprintf("%q is not understood here", part))
		}
	}
	return n, nil
}

// parseConsole reads NAME with the option terminal behind a comma.
func parseConsole(s string) (c wire.Console, err error) {
	name, option, has := strings.Cut(s, ",")
	if name == "" || has && option != "terminal" {
		return c, usageError(fmt.Sprintf("console port %q: such as agent or tty,terminal", s))
	}
	return wire.Console{Name: name, Terminal: has}, nil
}

// deviceFlags are --disk, --nic and --console-port of vm create.
type deviceFlags struct{ disks, nics, consoles []string }

func (f *deviceFlags) fill(in *wire.VMCreate) error {
	for _, s := range f.disks {
		d, err := parseDisk(s)
		if err != nil {
			return err
		}
		in.Disks = append(in.Disks, d)
	}
	for _, s := range f.nics {
		n, err := parseNIC(s)
		if err != nil {
			return err
		}
		in.NICs = append(in.NICs, n)
	}
	for _, s := range f.consoles {
		c, err := parseConsole(s)
		if err != nil {
			return err
		}
		in.Consoles = append(in.Consoles, c)
	}
	return nil
}

func diskText(d wire.Disk) string {
	s := d.Kind + " " + strconv.Itoa(d.SizeMiB) + " MiB"
	if d.Kind == "image" {
		s = "image " + d.Image
	}
	if d.ReadOnly {
		s += ", read-only"
	}
	return printable(s)
}

func consoleText(c wire.Console) string {
	if c.Terminal {
		return "a terminal"
	}
	return "for programs"
}

func nicText(n wire.NIC) string {
	s := n.Network + ", " + n.MAC
	if n.VLAN != 0 {
		s += ", VLAN " + strconv.Itoa(n.VLAN)
	}
	if n.Address != "" {
		s += ", the guest has " + n.Address
	}
	if len(n.Forwards) > 0 {
		s += ", forwards " + forwardsText(n.Forwards)
	}
	return printable(s)
}
