package e1000

import (
	"testing"

	"basalt/drivers/bus/bustest"
	"basalt/drivers/nic"
	spec "basalt/drivers/spec/e1000"
)

// FuzzReceive has the device write anything into the receive ring: every frame
// handed up is of legal size, and the ring is whole afterwards.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 3, 0, 0, 0})
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 3, 0x97})
	f.Fuzz(func(t *testing.T, ring []byte) {
		c := &controller{variant: parts[spec.ID82540EM], regs: bustest.RAM(spec.Size)}
		d := &bustest.Device{Addr: "fuzz", Mem: new(bustest.Memory)}
		if err := c.rings(d); err != nil {
			t.Fatal(err)
		}
		c.rx.start(c)
		copy(c.rx.desc.Bytes(), ring)
		bufs, sizes := make([][]byte, 32), make([]int, 32)
		for i := range bufs {
			bufs[i] = make([]byte, 1518)
		}
		var count nic.Counters
		for range 2 * ringLen / 32 {
			n, err := c.Receive(bufs, sizes, &count)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if sizes[i] < minFrame || sizes[i] > 1518 {
					t.Fatalf("frame of %d bytes", sizes[i])
				}
			}
		}
		for i := range ringLen {
			if a := c.rx.desc.Read64(uintptr(i * spec.DescSize)); !c.rx.done(i) && i*spec.DescSize >= len(ring) && a != c.rx.bufs.Addr()+uint64(i*bufSize) {
				t.Fatalf("descriptor %d points to %#x", i, a)
			}
		}
	})
}
