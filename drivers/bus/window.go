package bus

import "fmt"

// Window gives the part of r from off with size bytes. A part that does not lie
// in r is the caller's mistake and panics.
func Window(r Registers, off, size uintptr) Registers {
	if off > r.Size() || size > r.Size()-off {
		panic(fmt.Sprintf("bus: window %#x+%#x of %#x", off, size, r.Size()))
	}
	return &window{r, off, size}
}

type window struct {
	r         Registers
	off, size uintptr
}

func (w *window) at(off, n uintptr) uintptr {
	if off > w.size || n > w.size-off {
		panic(fmt.Sprintf("bus: access of %d bytes at %#x of %#x", n, off, w.size))
	}
	return w.off + off
}

func (w *window) Size() uintptr                 { return w.size }
func (w *window) Read8(off uintptr) uint8       { return w.r.Read8(w.at(off, 1)) }
func (w *window) Read16(off uintptr) uint16     { return w.r.Read16(w.at(off, 2)) }
func (w *window) Read32(off uintptr) uint32     { return w.r.Read32(w.at(off, 4)) }
func (w *window) Read64(off uintptr) uint64     { return w.r.Read64(w.at(off, 8)) }
func (w *window) Write8(off uintptr, v uint8)   { w.r.Write8(w.at(off, 1), v) }
func (w *window) Write16(off uintptr, v uint16) { w.r.Write16(w.at(off, 2), v) }
func (w *window) Write32(off uintptr, v uint32) { w.r.Write32(w.at(off, 4), v) }
func (w *window) Write64(off uintptr, v uint64) { w.r.Write64(w.at(off, 8), v) }
