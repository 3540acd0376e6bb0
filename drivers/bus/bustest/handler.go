package bustest

import (
	"fmt"

	"basalt/drivers/bus"
)

// Handler is an emulated register file: one call per access, with its width in
// bytes. Accesses may come from several goroutines.
type Handler interface {
	Load(off uintptr, width int) uint64
	Store(off uintptr, width int, v uint64)
}

// Registers presents a Handler as a window of size bytes, and checks offsets as
// the real windows do.
func Registers(h Handler, size uintptr) bus.Registers { return &window{h, size} }

type window struct {
	h    Handler
	size uintptr
}

func (w *window) load(off uintptr, n int) uint64 {
	w.check(off, n)
	return w.h.Load(off, n)
}

func (w *window) store(off uintptr, n int, v uint64) {
	w.check(off, n)
	w.h.Store(off, n, v)
}

func (w *window) check(off uintptr, n int) {
	if off%uintptr(n) != 0 || off > w.size || uintptr(n) > w.size-off {
		panic(fmt.Sprintf("bustest: driver's access of %d bytes at %#x of %#x", n, off, w.size))
	}
}

func (w *window) Size() uintptr                 { return w.size }
func (w *window) Read8(off uintptr) uint8       { return uint8(w.load(off, 1)) }
func (w *window) Read16(off uintptr) uint16     { return uint16(w.load(off, 2)) }
func (w *window) Read32(off uintptr) uint32     { return uint32(w.load(off, 4)) }
func (w *window) Read64(off uintptr) uint64     { return w.load(off, 8) }
func (w *window) Write8(off uintptr, v uint8)   { w.store(off, 1, uint64(v)) }
func (w *window) Write16(off uintptr, v uint16) { w.store(off, 2, uint64(v)) }
func (w *window) Write32(off uintptr, v uint32) { w.store(off, 4, uint64(v)) }
func (w *window) Write64(off uintptr, v uint64) { w.store(off, 8, v) }
