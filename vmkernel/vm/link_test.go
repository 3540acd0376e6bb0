package vm

import (
	"bytes"
	"context"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vswitch"
)

// TestLinkIsSaved: a cable that was pulled out stays out while the machine is
// suspended: its guest knows that there is no carrier, and nothing reaches it.
func TestLinkIsSaved(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	mac := vswitch.MAC{0x52, 0x54, 0, 0, 0, 1}
	if err := b.vm.AttachNIC(ctx, host.NICConfig{Name: "nic0", Network: host.NetworkNAT, MAC: mac.String()}); err != nil {
		t.Fatal(err)
	}
	b.start()
	sw, err := b.mgr.p.Switch(host.NetworkNAT)
	if err != nil {
		t.Fatal(err)
	}
	other, err := sw.AddPort(vswitch.PortConfig{Name: "other", MAC: vswitch.MAC{2, 0, 0, 0, 0, 9}}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	frame := append(append(append([]byte{}, mac[:]...), 2, 0, 0, 0, 0, 9, 0x88, 0xb5), make([]byte, 46)...)
	check := func(when string, up bool, came uint64) {
		t.Helper()
		other.Sender().Send([]vswitch.Packet{{Data: [][]byte{frame}}})
		// The guest has no driver: what comes through the port is dropped behind it.
		d := b.vm.(*Machine).b.device(nicKind, "nic0").port.Stats().Drops
		if n := b.vm.Status().NICs; len(n) != 1 || n[0].Link != up || d[vswitch.DropFull] != came || d[vswitch.DropPortDown] != 1-came {
			t.Errorf("%s: %+v, %v", when, n, d)
		}
	}
	check("at first", true, 1)
	for _, up := range []bool{false, true} {
		if err := b.vm.SetLink(ctx, "nic0", up); err != nil {
			t.Fatal(err)
		}
		state := b.saved(host.AfterSaveStop)
		if err := b.vm.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		came := uint64(0)
		if up {
			came = 1
		}
		check("restored", up, came)
		if err := b.vm.Resume(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.vm.SetLink(ctx, "nic0", false); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	b.start()
	check("after another start", true, 1)
}
