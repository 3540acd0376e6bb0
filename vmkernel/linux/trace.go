package linux

import (
	"runtime"
	"unsafe"
)

// findfunc is the runtime's look-up of a function by address. Unlike FuncForPC it
// allocates nothing where a call was inlined: the name is the outer function's.
//
//go:linkname findfunc runtime.findfunc
func findfunc(pc uintptr) funcInfo

type funcInfo struct {
	fn unsafe.Pointer
	_  unsafe.Pointer // the module
}

// Trace walks the frame pointers from the interrupted state and gives each return
// address with its function's name and the offset in it, at most 24 of them. It
// reads memory only where it is mapped. World W1, for the crash screen.
func Trace(r *Registers, frame func(pc uint64, symbol string, offset uint64)) {
	name := func(pc uint64) {
		// JUSTIFICATION: the crash screen must not allocate.
		// SAFETY: a runtime.Func is the function's own read-only record, which is
		// what findfunc gives.
		f := (*runtime.Func)(findfunc(uintptr(pc)).fn)
		if f == nil {
			frame(pc, "?", 0)
			return
		}
		frame(pc, f.Name(), pc-uint64(f.Entry()))
	}
	name(r.RIP)
	bp := r.RBP
	for i := 0; i < 24 && bp != 0 && bp&7 == 0; i++ {
		if !mapped(uintptr(bp)) || !mapped(uintptr(bp+8)) {
			return
		}
		// SAFETY: both words are mapped.
		next, pc := *(*uint64)(at(uintptr(bp))), *(*uint64)(at(uintptr(bp + 8)))
		if pc == 0 {
			return
		}
		name(pc - 1)
		if next <= bp {
			return
		}
		bp = next
	}
}

// inMorestack says that pc is in the runtime's code behind a failed stack check.
func inMorestack(pc uint64) bool {
	const want = "runtime.morestack"
	// SAFETY: as in Trace.
	f := (*runtime.Func)(findfunc(uintptr(pc)).fn)
	if f == nil {
		return false
	}
	name := f.Name()
	return len(name) >= len(want) && name[:len(want)] == want
}

// mapped says that the page of va is in the tables.
func mapped(va uintptr) bool {
	if va>>47 != 0 && va>>47 != 0x1ffff {
		return false
	}
	_, _, _, ok := mm.tables.Walk(frames{}, uint64(va))
	return ok
}
