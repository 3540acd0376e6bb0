package emul

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// FuzzEmulator runs any code in any mode with any registers: it may do what it
// likes to the guest, but must end, and stay within the guest.
func FuzzEmulator(f *testing.F) {
	f.Add([]byte{0x88, 0x03}, uint8(0), uint64(devBase), uint64(1), uint64(0x1000))
	f.Add([]byte{0xf3, 0xa4}, uint8(1), uint64(devBase), ^uint64(0), uint64(0))
	f.Add([]byte{0x0f, 0xab, 0x03}, uint8(2), uint64(0x200), uint64(1)<<63, uint64(7))
	f.Add([]byte{0xf3, 0x6d}, uint8(3), uint64(1), uint64(5), uint64(9))
	f.Add([]byte{0xff, 0x33}, uint8(0), uint64(devBase), uint64(devBase)+0x800, uint64(0x1000))
	f.Add([]byte{0x8f, 0x44, 0x24, 0x08}, uint8(4), uint64(devBase), uint64(devBase)+0x800, uint64(0))
	f.Add([]byte{0xf0, 0x48, 0x0f, 0xc7, 0x0b}, uint8(0), uint64(devBase), uint64(devBase)+0xff8, uint64(0x1000))
	f.Add([]byte{0x67, 0x64, 0xc5, 0xfe, 0x7f, 0x43, 0x20}, uint8(0), uint64(devBase), uint64(devBase)+0xff0, uint64(0x1000))
	f.Add([]byte{0x66, 0x0f, 0xe7, 0x03}, uint8(32), uint64(devBase), uint64(devBase)+0xff0, uint64(0x1000))
	f.Add([]byte{0x67, 0x66, 0xf0, 0x0f, 0xc1, 0x44, 0x24, 0x7f}, uint8(0), uint64(devBase), uint64(1), uint64(0xfffffffffffff000))
	f.Fuzz(func(t *testing.T, code []byte, mode uint8, a, b, cr3 uint64) {
		r := long()
		if mode&1 != 0 {
			r = legacy()
		}
		s := &r.c.s
		if mode&2 != 0 {
			s.CR3 = cr3
			s.CR0 |= vcpu.CR0PG
		}
		if mode&4 != 0 {
			s.CS.Attr &^= vcpu.AttrDB
		}
		if mode&8 != 0 {
			s.CR0 &^= vcpu.CR0PE
			s.DS.Base, s.DS.Limit, s.ES.Attr = b, uint32(a), uint32(cr3)
		}
		if mode&16 != 0 {
			s.CR4 ^= vcpu.CR4PAE | vcpu.CR4SMAP | vcpu.CR4PSE
		}
		for i := range r.c.r.GPR {
			r.c.r.GPR[i] = a
			if i&1 != 0 {
				r.c.r.GPR[i] = b
			}
		}
		s.CR4 |= vcpu.CR4OSFXSR | vcpu.CR4OSXSAVE
		s.XCR0 = 7
		r.c.area = make([]byte, []int{0, 512, 576, 832}[b>>1&3])
		at := uint64(codeBase)
		if mode&32 != 0 {
			at = codeBase + 0xffd
			r.c.r.RIP = at
		}
		_ = r.ram.Write(at, code[:min(len(code), 64)])
		x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: a, Write: true},
			PIO: vcpu.PIO{Size: []uint8{1, 2, 4, 4}[mode>>6], In: b&1 != 0}}
		for _, f := range []func(vcpu.CPU, *vcpu.Exit) (vcpu.Result, vcpu.Event){r.e.Memory, r.e.String, r.e.CR} {
			if res, ev := f(r.c, &x); res == vcpu.Faulted && ev.Type != vcpu.EventException {
				t.Fatal("a fault that is none")
			}
		}
		r.e.Length(r.c)
		var p [15]byte
		r.e.Code(r.c, p[:])
	})
}
