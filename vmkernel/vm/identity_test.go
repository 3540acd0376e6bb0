package vm

import (
	"bytes"
	"context"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/uart"
)

// systemUUID is the UUID in the guest's memory, in the order in which it is written.
func systemUUID(t *testing.T, m *Machine) (u [16]byte) {
	t.Helper()
	area := make([]byte, romEnd-smbiosAt)
	if err := m.b.mem.Read(smbiosAt, area); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(area, []byte("_SM3_")) {
		t.Fatalf("no entry point: % x", area[:24])
	}
	at := int(area[16]) | int(area[17])<<8 | int(area[18])<<16 - smbiosAt
	for area[at] != 1 { // the system structure
		if area[at] == 127 {
			t.Fatal("no system structure")
		}
		at += int(area[at+1])
		at += bytes.Index(area[at:], []byte{0, 0}) + 2
	}
	for i, from := range []int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		u[i] = area[at+8+from]
	}
	return u
}

// TestIdentity: a machine's UUID is the same after a reset, a power cycle and a
// restore under another ID; a clone has one of its own after its reset.
func TestIdentity(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	c := b.vm.Config()
	want := c.SystemUUID()
	if got := systemUUID(t, b.vm.(*Machine)); got != want {
		t.Errorf("%x, want %x", got, want)
	}
	if err := b.vm.Reset(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := systemUUID(t, b.vm.(*Machine)); got != want {
		t.Errorf("after a reset: %x", got)
	}
	b.wait(1)
	state := b.saved(host.AfterSaveStop)
	b.start()
	if got := systemUUID(t, b.vm.(*Machine)); got != want {
		t.Errorf("after a power cycle: %x", got)
	}
	if err := b.vm.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}

	m := b.restore(state, "other")
	if c := m.Config(); c.SystemUUID() != want {
		t.Errorf("restored: %s", c.UUID)
	}
	v, err := b.mgr.Restore(context.Background(), bytes.NewReader(state), host.RestoreOptions{ID: "twin", NewGeneration: true, Boot: kernel(&b.closed)})
	if err != nil {
		t.Fatal(err)
	}
	twin := v.(*Machine)
	defer func() {
		_ = twin.Stop(context.Background())
		_ = b.mgr.Delete("twin")
	}()
	if got := systemUUID(t, twin); got != want {
		t.Errorf("memory of the clone: %x", got)
	}
	if err := twin.Reset(context.Background()); err != nil {
		t.Fatal(err)
	}
	if c, got := twin.Config(), systemUUID(t, twin); got == want || got != c.SystemUUID() {
		t.Errorf("clone after a reset: %x", got)
	}
}

// TestSerialPorts: each port has a ring of its own.
func TestSerialPorts(t *testing.T) {
	b := newBench(t, out(uart.COM1, '1'), out(uart.COM2, '2'), out(uart.COM3, '3'), out(uart.COM4, '4'), out(0x80, 1))
	b.start()
	for n := 1; n <= host.NumSerial; n++ {
		r, err := b.vm.Serial(n).Attach(1)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 4)
		k, err := r.Read(context.Background(), p)
		if err != nil || string(p[:k]) != string(rune('0'+n)) {
			t.Errorf("port %d: %q %v", n, p[:k], err)
		}
		r.Close()
	}
	if b.vm.Serial(1) != b.vm.Console() || b.vm.Serial(0) != nil || b.vm.Serial(5) != nil {
		t.Error("numbers of ports")
	}
}
