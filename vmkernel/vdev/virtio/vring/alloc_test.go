package vring_test

import (
	"testing"

	"basalt/vmkernel/vdev/virtio/vring"
)

// The chains are made available beforehand, so that only the device's side is
// measured.
func TestNoAllocationForARequest(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			const runs = 100
			r := newRig(t, 1024, f)
			r.Arm()
			for range runs + 2 {
				r.Add(buf(0, 1, false), buf(1, 8, true))
				r.AddIndirect(tableAt, buf(0, 1, false), buf(1, 8, true), buf(2, 8, true))
			}
			var c vring.Chain
			failed := 0
			request := func() {
				for range 2 {
					more, err := r.q.Next(&c)
					if !more || err != nil || r.q.Push(&c, 1) != nil {
						failed++
					}
				}
				_, e1 := r.q.NeedInterrupt()
				_, e2 := r.q.EnableNotify()
				if e1 != nil || e2 != nil || r.q.DisableNotify() != nil {
					failed++
				}
			}
			request() // the chain grows
			want(t, "allocations", testing.AllocsPerRun(runs, request), 0.0)
			want(t, "failed", failed, 0)
		})
	}
}
