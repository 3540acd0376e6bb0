package vm

import (
	"context"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vswitch"
)

// TestNICCounters: what comes for a guest without a driver is in its counters as
// dropped, and nothing else is.
func TestNICCounters(t *testing.T) {
	wait, entered, acted := pressed()
	b := newTable(t, wait)
	vm, err := b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8,
		NICs: []host.NICConfig{{Name: "nic0", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}}})
	if err != nil {
		t.Fatal(err)
	}
	b.vm = vm
	b.start()
	<-entered
	sw, err := b.mgr.p.Switch(host.NetworkNAT)
	if err != nil {
		t.Fatal(err)
	}
	other, err := sw.AddPort(vswitch.PortConfig{Name: "other", MAC: vswitch.MAC{2, 0, 0, 0, 0, 9}}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 60)
	copy(frame, []byte{0x52, 0x54, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xb5})
	other.Sender().Send([]vswitch.Packet{{Data: [][]byte{frame}}, {Data: [][]byte{frame}}})
	if n := vm.Status().NICs; len(n) != 1 || n[0] != (host.NICStats{Name: "nic0", Link: true, RxDropped: 2}) {
		t.Errorf("%+v", n)
	}
	close(acted)
	if err := vm.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := vm.Status().NICs; n != nil {
		t.Errorf("while off: %+v", n)
	}
}

type silent struct{}

func (silent) Deliver(b []vswitch.Frame) int { return len(b) }
