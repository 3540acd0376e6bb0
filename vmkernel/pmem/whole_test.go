package pmem

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// TestNothingUnderTheLockCanBePreempted: ordinary Go calls this package too, and a
// goroutine that lost its processor with the lock held would stop the machine.
func TestNothingUnderTheLockCanBePreempted(t *testing.T) {
	w1test.Whole(t, lock, unlock, relist, takeAll, search, mark, trailing, refuse)
}

func TestReserveIsForTheHost(t *testing.T) {
	boot(t)
	SetReserve(4 << 20)
	for {
		if _, ok := AllocLarge(); !ok {
			break
		}
	}
	if _, ok := Alloc(512, Frame, 0); ok {
		t.Error("contiguous frames came out of the reserve")
	}
	if st := Read(); st.Free < 4<<20 || st.Free >= 6<<20 {
		t.Errorf("%d bytes are left", st.Free)
	}
	if _, ok := AllocFrame(); !ok {
		t.Error("no frame for a page fault")
	}
	if _, ok := AllocLargeHost(); !ok {
		t.Error("no large frame for a page fault")
	}
}
