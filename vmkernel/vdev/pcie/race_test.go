package pcie

import (
	"fmt"
	"math/rand"
	"sync"
	"testing"

	spec "basalt/drivers/spec/pci"
)

// TestConcurrentAccess has several virtual CPUs, device goroutines and management
// at the machine at once; the race detector watches, and afterwards the machine
// still works.
func TestConcurrentAccess(t *testing.T) {
	r := newRig(t, 4)
	var es []*Endpoint
	for i := range 3 {
		e, _ := r.endpoint(fmt.Sprint("nic", i), nic())
		_, err := r.root.Plug(e)
		must(t, err)
		es = append(es, e)
	}
	must(t, r.root.Configure())
	var wg sync.WaitGroup
	for cpu := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewSource(int64(cpu)))
			for range 1500 {
				at := Address{Bus: uint8(rnd.Intn(4) + 1)}
				if rnd.Intn(4) == 0 {
					at = slotAddress(rnd.Intn(4))
				}
				off := rnd.Intn(64) * 4
				switch rnd.Intn(5) {
				case 0:
					r.put(at, off, 4, uint64(rnd.Uint32()))
				case 1:
					r.put(at, spec.Command, 2, 7)
				case 2:
					r.put(at, spec.BaseAddress0, 4, 0xc000_0000+uint64(rnd.Intn(16))<<20)
				case 3:
					r.get(at, off, 4)
				default:
					r.mem(0xc000_0000+uint64(rnd.Intn(64))<<16, 4)
				}
			}
		})
	}
	for i, e := range es[:2] {
		wg.Go(func() {
			for n := range 1500 {
				e.Signal(uint16(n % 4))
				e.SetINTx(n%2 == 0)
				_ = e.BusMaster() && e.MSIXEnabled()
				_ = e.Address()
			}
			_ = i
		})
	}
	wg.Go(func() {
		for range 200 {
			_ = r.root.Remove(es[2])
			_, _ = r.root.Plug(es[2])
			_, _ = r.root.Unplug(es[2])
			_, _ = r.root.SaveState()
			_, _ = es[0].SaveState()
		}
	})
	wg.Wait()
	r.bus.Reset()
	must(t, r.root.Configure())
	eq(t, "still there", r.get(cardAt, 0, 4), 0x1041_1af4)
	v, _ := r.mem(r.get(cardAt, spec.BaseAddress0, 4)+1, 1)
	eq(t, "and answers", v, 1)
}
