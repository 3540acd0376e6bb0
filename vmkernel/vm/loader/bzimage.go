package loader

import (
	"encoding/binary"

	"basalt/vmkernel/vcpu"
)

// Offsets in the setup header and in struct boot_params (boot.rst; zero-page.rst).
const (
	bpRSDP      = 0x070
	bpE820Count = 0x1e8
	bpHeader    = 0x1f1
	bpE820      = 0x2d0

	hdrSetupSects    = 0x1f1
	hdrJump          = 0x201
	hdrVersion       = 0x206
	hdrLoader        = 0x210
	hdrLoadFlags     = 0x211
	hdrCode32        = 0x214
	hdrInitrd        = 0x218
	hdrInitrdSize    = 0x21c
	hdrCmdline       = 0x228
	hdrInitrdMax     = 0x22c
	hdrAlign         = 0x230
	hdrRelocatable   = 0x234
	hdrXLoadFlags    = 0x236
	hdrCmdlineSize   = 0x238
	hdrPrefAddress   = 0x258
	hdrInitSize      = 0x260
	hdrEnd           = 0x270
	loadedHigh       = 1 << 0
	xlfKernel64      = 1 << 0
	loaderUndefined  = 0xff
	e820Max          = 128
	entry64Offset    = 0x200
	minVersion       = 0x0206 // the first with cmdline_size
	minVersion64     = 0x020c // the first with xloadflags
	minVersionInitSz = 0x020a
)

// bzImage loads a Linux kernel, or what pretends to be one, and starts it by the
// 64-bit protocol, or by the 32-bit one if that is all it has.
func (l *load) bzImage(head []byte) (Start, error) {
	if len(head) < hdrEnd {
		return nil, bad("bzImage is truncated in its setup header")
	}
	le := binary.LittleEndian
	version := le.Uint16(head[hdrVersion:])
	if version < minVersion {
		return nil, bad("bzImage has boot protocol %d.%02d, at least 2.06 is needed", version>>8, version&0xff)
	}
	if head[hdrLoadFlags]&loadedHigh == 0 {
		return nil, bad("the kernel is a zImage, not a bzImage")
	}
	sects := uint64(head[hdrSetupSects])
	if sects == 0 {
		sects = 4
	}
	setup := (sects + 1) * 512
	size := uint64(l.Kernel.Size())
	if setup >= size {
		return nil, bad("bzImage is truncated: %d bytes of set-up code in a file of %d", setup, size)
	}
	// syssize counts 16-byte units; signatures may follow, less is a cut file.
	code := size - setup
	if want := uint64(le.Uint32(head[0x1f4:])) * 16; want > alignUp(code, 16) {
		return nil, bad("bzImage is truncated: %d of %d bytes of code", code, want)
	}
	long := version >= minVersion64 && le.Uint16(head[hdrXLoadFlags:])&xlfKernel64 != 0
	at, need, err := l.placeKernel(head, version, code)
	if err != nil {
		return nil, err
	}
	if err := l.copyIn("the kernel", l.Kernel, int64(setup), at, code); err != nil {
		return nil, err
	}

	p := make([]byte, page)
	end := min(uint64(hdrJump)+1+uint64(head[hdrJump]), hdrEnd)
	copy(p[bpHeader:], head[bpHeader:max(end, bpHeader)])
	p[hdrLoader] = loaderUndefined
	le.PutUint32(p[hdrCode32:], uint32(at))
	if m := uint64(le.Uint32(head[hdrCmdlineSize:])); uint64(len(l.Cmdline)) > m {
		return nil, bad("the command line has %d bytes, the kernel takes %d", len(l.Cmdline), m)
	}
	cmd, err := l.text(l.Cmdline)
	if err != nil {
		return nil, err
	}
	le.PutUint32(p[hdrCmdline:], uint32(cmd))
	if err := l.initrd(p, at+need, uint64(le.Uint32(head[hdrInitrdMax:]))+1); err != nil {
		return nil, err
	}
	le.PutUint64(p[bpRSDP:], l.RSDP)
	if len(l.Map) > e820Max {
		return nil, bad("the memory map has %d entries", len(l.Map))
	}
	p[bpE820Count] = uint8(len(l.Map))
	for i, a := range l.Map {
		e := p[bpE820+20*i:]
		le.PutUint64(e, a.Start)
		le.PutUint64(e[8:], a.Size)
		le.PutUint32(e[16:], a.Type)
	}
	if err := l.put(paramsAt, p); err != nil {
		return nil, err
	}
	if err := l.gdt(long); err != nil {
		return nil, err
	}
	if err := l.identity(); err != nil {
		return nil, err
	}
	return func(r *vcpu.Regs, s *vcpu.System) {
		flat(r, s, at)
		r.GPR[vcpu.RSI] = paramsAt
		if long {
			r.RIP = at + entry64Offset
			s.CR0 |= vcpu.CR0PG
			s.CR3 = tablesAt
			s.CR4 = vcpu.CR4PAE
			s.EFER = vcpu.EFERLME | vcpu.EFERLMA
			s.CS.Attr = 0xa09b
		}
	}, nil
}

// placeKernel chooses the load address: where the kernel wants to be, or higher
// or lower if it can be moved. need is what it uses before it reads the map.
func (l *load) placeKernel(head []byte, version uint16, code uint64) (at, need uint64, err error) {
	le := binary.LittleEndian
	at, need = lowest, code
	align := uint64(le.Uint32(head[hdrAlign:]))
	if version >= minVersionInitSz {
		at = le.Uint64(head[hdrPrefAddress:])
		need = max(need, uint64(le.Uint32(head[hdrInitSize:])))
	}
	fits := func(a uint64) bool { return a >= lowest && a <= l.Top && need <= l.Top-a }
	if fits(at) {
		return at, need, nil
	}
	if head[hdrRelocatable] != 0 && align >= page && align <= 1<<30 && align&(align-1) == 0 {
		if at = alignUp(lowest, align); fits(at) {
			return at, need, nil
		}
	}
	return 0, 0, large("the kernel needs %d MiB from %#x", (need+1<<20-1)>>20, at)
}

// initrd places the RAM disk as high as the kernel allows.
func (l *load) initrd(p []byte, floor, limit uint64) error {
	if l.Initrd == nil {
		return nil
	}
	n := uint64(max(l.Initrd.Size(), 0))
	at, err := l.high("the initial RAM disk", n, floor, limit)
	if err != nil {
		return err
	}
	if err := l.copyIn("the initial RAM disk", l.Initrd, 0, at, n); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(p[hdrInitrd:], uint32(at))
	binary.LittleEndian.PutUint32(p[hdrInitrdSize:], uint32(n))
	return nil
}
