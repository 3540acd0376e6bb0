package host

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// FuzzCheckDevices: whatever is accepted can be given to a device.
func FuzzCheckDevices(f *testing.F) {
	f.Add("disk0", "image", "a.img", 0, "nic0", "nat", "52:54:00:12:34:56", 0, "")
	f.Add("disk0", "ram", "", 64, "nic-1", "lab", "", 4094, "host")
	f.Add("", "null", "x", -1, "disk0", "../x", "01-00-5e-00-00-01", 4095, "x86-64-v5")
	f.Fuzz(func(t *testing.T, dn, kind, image string, size int, nn, network, mac string, vlan int, level string) {
		c := Config{Disks: []DiskConfig{{Name: dn, Kind: kind, Image: image, SizeMiB: size}},
			NICs: []NICConfig{{Name: nn, Network: network, MAC: mac, VLAN: vlan}}, CPULevel: level}
		if err := c.CheckDevices(); err != nil {
			var ce *ConfigError
			if !errors.As(err, &ce) || ce.Field == "" {
				t.Errorf("%v names no field", err)
			}
			return
		}
		hw, err := net.ParseMAC(mac)
		if mac != "" && (err != nil || len(hw) != 6 || hw[0]&1 != 0) || dn == nn || len(dn) > 20 || len(nn) > 20 || vlan < 0 || vlan > 4094 ||
			strings.ContainsAny(dn+nn+network, " /\\\x00") || (kind == DiskImage) != (image != "") || kind != DiskImage && size < 1 {
			t.Errorf("accepted %+v", c)
		}
	})
}
