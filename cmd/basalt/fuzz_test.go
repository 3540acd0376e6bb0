package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// FuzzTyped: whatever a person types is taken or refused.
func FuzzTyped(f *testing.F) {
	for _, s := range []string{"512", "2G", "1gib", "ɐ", "-1", "[2001:db8::1]", "https://h:1/", ""} {
		f.Add(s)
	}
	c := &config{Hosts: map[string]*hostConf{"one": {Address: "192.0.2.1:443"}}}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseMemory(s); err == nil && (n < 0 || n > 1<<40) {
			t.Errorf("--memory %q: %d", s, n)
		}
		if _, h, err := c.find(s); err == nil && h == nil {
			t.Errorf("--host %q: nothing", s)
		}
		if p := printable(s); strings.ContainsAny(p, "\x1b\n\x00\u009b") {
			t.Errorf("%q is printable", p)
		}
	})
}

// FuzzDeviceSpec: what is taken says the same again.
func FuzzDeviceSpec(f *testing.F) {
	for _, s := range []string{"image=a.img", "image=a.img,ro,name=x", "ram=64M", "null=1G,ro", "ram=9999999999999999999T", "nat", "lab,mac=52:54:00:12:34:56,vlan=5,name=n", "lab,vlan=0", "nat,forward=tcp:2222:22,forward=udp:1:65535", "nat,forward=tcp:65536:1", "4096B", "ɐ", "=", ",", "ro"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize(s); err == nil && n < 0 {
			t.Errorf("size %q: %d", s, n)
		}
		if d, err := parseDisk(s); err == nil {
			again := d.Kind + "=" + d.Image
			if d.Kind != "image" {
				again = d.Kind + "=" + strconv.Itoa(d.SizeMiB)
			}
			if d.ReadOnly {
				again += ",ro"
			}
			if e, err := parseDisk(again + ",name=" + d.Name); err != nil || e != d || d.Kind == "image" != (d.Image != "") || d.SizeMiB < 0 {
				t.Errorf("disk %q: %+v, again %+v %v", s, d, e, err)
			}
		}
		if n, err := parseNIC(s); err == nil {
			again := n.Network + ",mac=" + n.MAC + ",name=" + n.Name
			if n.VLAN != 0 {
				again += ",vlan=" + strconv.Itoa(n.VLAN)
			}
			for _, x := range n.Forwards {
				again += fmt.Sprintf(",forward=%s:%d:%d", x.Protocol, x.HostPort, x.GuestPort)
			}
			if e, err := parseNIC(again); err != nil || !reflect.DeepEqual(e, n) || n.Network == "" {
				t.Errorf("nic %q: %+v, again %+v %v", s, n, e, err)
			}
		}
	})
}
