package hw

import (
	"fmt"

	"basalt/arch/x86/io"
	"basalt/drivers/bus"
	"basalt/vmkernel/linux"
)

// window is device or DMA memory at a virtual address. Each method is one access
// of exactly that width.
type window struct {
	base, size uintptr
}

var _ bus.Registers = (*window)(nil)

// at checks an access: a driver's mistake stops here, not in someone else's memory.
func (w *window) at(off, n uintptr) uintptr {
	if off&(n-1) != 0 || off > w.size || n > w.size-off {
		outside(off, n, w.size)
	}
	return w.base + off
}

func outside(off, n, size uintptr) {
	panic(fmt.Sprintf("hw: driver's access of %d bytes at %#x of %#x", n, off, size))
}

func (w *window) Size() uintptr                 { return w.size }
func (w *window) Read8(off uintptr) uint8       { return io.Load8(w.at(off, 1)) }
func (w *window) Read16(off uintptr) uint16     { return io.Load16(w.at(off, 2)) }
func (w *window) Read32(off uintptr) uint32     { return io.Load32(w.at(off, 4)) }
func (w *window) Read64(off uintptr) uint64     { return io.Load64(w.at(off, 8)) }
func (w *window) Write8(off uintptr, v uint8)   { io.Store8(w.at(off, 1), v) }
func (w *window) Write16(off uintptr, v uint16) { io.Store16(w.at(off, 2), v) }
func (w *window) Write32(off uintptr, v uint32) { io.Store32(w.at(off, 4), v) }
func (w *window) Write64(off uintptr, v uint64) { io.Store64(w.at(off, 8), v) }

// ports is a range of I/O ports. 64-bit accesses do not exist there.
type ports struct {
	base uint16
	size uintptr
}

var _ bus.Registers = (*ports)(nil)

// Ports gives size I/O ports from base.
func Ports(base, size uint16) bus.Registers { return &ports{base, uintptr(size)} }

func (p *ports) at(off, n uintptr) uint16 {
	if off&(n-1) != 0 || off > p.size || n > p.size-off {
		outside(off, n, p.size)
	}
	return p.base + uint16(off)
}

func (p *ports) Size() uintptr                 { return p.size }
func (p *ports) Read8(off uintptr) uint8       { return io.In8(p.at(off, 1)) }
func (p *ports) Read16(off uintptr) uint16     { return io.In16(p.at(off, 2)) }
func (p *ports) Read32(off uintptr) uint32     { return io.In32(p.at(off, 4)) }
func (p *ports) Read64(off uintptr) uint64     { panic("hw: 64-bit port read") }
func (p *ports) Write8(off uintptr, v uint8)   { io.Out8(p.at(off, 1), v) }
func (p *ports) Write16(off uintptr, v uint16) { io.Out16(p.at(off, 2), v) }
func (p *ports) Write32(off uintptr, v uint32) { io.Out32(p.at(off, 4), v) }
func (p *ports) Write64(off uintptr, v uint64) { panic("hw: 64-bit port write") }

// Window maps size bytes of device memory at physical address pa, uncached, for
// ever.
func Window(pa, size uint64) (bus.Registers, error) {
	va := linux.MapDevice(pa, size)
	if va == 0 {
		return nil, fmt.Errorf("hw: no memory to map %#x bytes at %#x", size, pa)
	}
	return &window{va, uintptr(size)}, nil
}
