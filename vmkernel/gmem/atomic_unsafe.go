package gmem

import (
	"sync/atomic"
	"unsafe"
)

// CompareAndSwap64 changes the 8 aligned bytes at gpa from old to new, as one
// access for every processor of the guest (page-table A and D bits). ok is
// false when gpa is misaligned or not present memory. W1.
func (m *Memory) CompareAndSwap64(gpa, old, new uint64) (swapped, ok bool) {
	if gpa%8 != 0 {
		return false, false
	}
	f, b := m.at(gpa, 8)
	if f == nil {
		return false, false
	}
	// JUSTIFICATION: sync/atomic has no operation on a byte slice.
	// SAFETY: b has 8 bytes, gpa is 8-byte aligned and frames are 2 MiB aligned.
	swapped = atomic.CompareAndSwapUint64((*uint64)(unsafe.Pointer(&b[0])), old, new)
	if swapped {
		m.MarkDirty(gpa, 8)
	}
	f.leave()
	return swapped, true
}

// CompareAndSwap32 is the same for 4 aligned bytes. W1.
func (m *Memory) CompareAndSwap32(gpa uint64, old, new uint32) (swapped, ok bool) {
	if gpa%4 != 0 {
		return false, false
	}
	f, b := m.at(gpa, 4)
	if f == nil {
		return false, false
	}
	// JUSTIFICATION: sync/atomic has no operation on a byte slice.
	// SAFETY: b has 4 bytes, gpa is 4-byte aligned and frames are 2 MiB aligned.
	swapped = atomic.CompareAndSwapUint32((*uint32)(unsafe.Pointer(&b[0])), old, new)
	if swapped {
		m.MarkDirty(gpa, 4)
	}
	f.leave()
	return swapped, true
}
