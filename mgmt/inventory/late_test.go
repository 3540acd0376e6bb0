package inventory

import (
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// TestLateEjection: an adapter that its guest lets go after the request has given up takes
// nothing with it: its address and its ports are free again with the machine's next
// change, or when the machine is deleted.
func TestLateEjection(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		v, h, _ := fixture(t, fakehost.Options{})
		ctx := t.Context()
		nic := host.NICConfig{Name: "nic0", Network: "nat", MAC: "52:54:00:00:00:01",
			Forwards: []host.Forward{{Protocol: "tcp", HostPort: 2222, GuestPort: 22}}}
		s := spec()
		s.NICs = []host.NICConfig{nic, {Name: "nic1", Network: "nat", MAC: "52:54:00:00:00:02"}}
		vm, err := v.Create(s, "root")
		if err != nil {
			t.Fatal(err)
		}
		machine, err := h.VMs().Get(vm.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := machine.DetachNIC(ctx, "nic0", true); err != nil { // as the guest does by itself
			t.Fatal(err)
		}
		if deleted {
			err = v.Delete(ctx, "web", "root")
		} else {
			_, _ = v.SetLink(ctx, "web", "nic1", true, "root") // it is off: refused, but a change
		}
		if err != nil {
			t.Fatal(err)
		}
		s = spec()
		s.Name, s.NICs = "db", []host.NICConfig{nic}
		if _, err := v.Create(s, "root"); err != nil {
			t.Errorf("deleted %v: %v", deleted, err)
		}
		s.Name, s.NICs = "other", []host.NICConfig{{Name: "nic1", Network: "nat", MAC: "52:54:00:00:00:02"}}
		if _, err := v.Create(s, "root"); (err == nil) != deleted {
			t.Errorf("deleted %v: %v", deleted, err)
		}
	}
}
