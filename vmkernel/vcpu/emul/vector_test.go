package emul

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"basalt/vmkernel/vcpu"
)

// simd is long with everything on for SSE and AVX. Register n holds n0 n1 n2 ... in
// its 32 bytes; the device holds 80 81 82 ...
func simd() *rig {
	r := long()
	r.c.s.CR4 |= vcpu.CR4OSFXSR | vcpu.CR4OSXSAVE
	r.c.s.XCR0 = 7
	r.c.area = make([]byte, 832)
	for n := range 16 {
		for i := range 32 {
			at := xmmAt + 16*n + i
			if i >= 16 {
				at = ymmAt + 16*n + i - 16
			}
			r.c.area[at] = byte(n<<4 + i&15)
			if i >= 16 {
				r.c.area[at] ^= 0xff
			}
		}
	}
	r.c.area[xstateAt] = 7
	for i := range r.d.mem {
		r.d.mem[i] = 0x80 + byte(i)
	}
	r.c.r.GPR[vcpu.RBX] = devBase
	return r
}

func (r *rig) ymm(n int) []byte {
	return append(bytes.Clone(r.c.area[xmmAt+16*n:][:16]), r.c.area[ymmAt+16*n:][:16]...)
}

// Each row: what register n is afterwards, and what was written, in hexadecimal. "-" is
// what it was: 16 bytes of it, or 32.
func TestVectorMoves(t *testing.T) {
	const (
		m16 = "808182838485868788898a8b8c8d8e8f"
		m32 = m16 + "909192939495969798999a9b9c9d9e9f"
		z8  = "0000000000000000"
		z12 = z8 + "00000000"
		z16 = z8 + z8
		x1  = "101112131415161718191a1b1c1d1e1f"
		y1  = "efeeedecebeae9e8e7e6e5e4e3e2e1e0"
		x15 = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
		y15 = "0f0e0d0c0b0a09080706050403020100"
	)
	for _, c := range []struct {
		name, code string
		reg        int
		want       string // the register
		log        string // the writes
	}{
		{"movups xmm1,[rbx]", "0f 10 0b", 1, m16 + y1, ""},
		{"movups [rbx],xmm1", "0f 11 0b", 1, x1 + y1, "fe000000=1011121314151617 fe000008=18191a1b1c1d1e1f"},
		{"movupd xmm1,[rbx]", "66 0f 10 0b", 1, m16 + y1, ""},
		{"movaps xmm15,[rbx]", "44 0f 28 3b", 15, m16 + y15, ""},
		{"movaps [rbx],xmm15", "44 0f 29 3b", 15, x15 + y15, "fe000000=f0f1f2f3f4f5f6f7 fe000008=f8f9fafbfcfdfeff"},
		{"movdqa xmm1,[rbx]", "66 0f 6f 0b", 1, m16 + y1, ""},
		{"movdqa [rbx],xmm1", "66 0f 7f 0b", 1, x1 + y1, "fe000000=1011121314151617 fe000008=18191a1b1c1d1e1f"},
		{"movdqu xmm1,[rbx+1]", "f3 0f 6f 4b 01", 1, "8182838485868788898a8b8c8d8e8f90" + y1, ""},
		{"movdqu [rbx+1],xmm1", "f3 0f 7f 4b 01", 1, x1 + y1, "fe000001=1011121314151617 fe000009=18191a1b1c1d1e1f"},
		{"movntdq [rbx],xmm1", "66 0f e7 0b", 1, x1 + y1, "fe000000=1011121314151617 fe000008=18191a1b1c1d1e1f"},
		{"movntps [rbx],xmm1", "0f 2b 0b", 1, x1 + y1, "fe000000=1011121314151617 fe000008=18191a1b1c1d1e1f"},
		{"movntdqa xmm1,[rbx]", "66 0f 38 2a 0b", 1, m16 + y1, ""},
		{"lddqu xmm1,[rbx]", "f2 0f f0 0b", 1, m16 + y1, ""},
		{"movd xmm1,[rbx]", "66 0f 6e 0b", 1, "80818283" + z12 + y1, ""},
		{"movd [rbx],xmm1", "66 0f 7e 0b", 1, x1 + y1, "fe000000=10111213"},
		{"movq xmm1,[rbx] (6e)", "66 48 0f 6e 0b", 1, "8081828384858687" + z8 + y1, ""},
		{"movq [rbx],xmm1 (7e)", "66 48 0f 7e 0b", 1, x1 + y1, "fe000000=1011121314151617"},
		{"movq xmm1,[rbx]", "f3 0f 7e 0b", 1, "8081828384858687" + z8 + y1, ""},
		{"movq [rbx],xmm1", "66 0f d6 0b", 1, x1 + y1, "fe000000=1011121314151617"},
		{"movss xmm1,[rbx]", "f3 0f 10 0b", 1, "80818283" + z12 + y1, ""},
		{"movss [rbx],xmm1", "f3 0f 11 0b", 1, x1 + y1, "fe000000=10111213"},
		{"movsd xmm1,[rbx]", "f2 0f 10 0b", 1, "8081828384858687" + z8 + y1, ""},
		{"movlps xmm1,[rbx]", "0f 12 0b", 1, "808182838485868718191a1b1c1d1e1f" + y1, ""},
		{"movlps [rbx],xmm1", "0f 13 0b", 1, x1 + y1, "fe000000=1011121314151617"},
		{"movhpd xmm1,[rbx]", "66 0f 16 0b", 1, "10111213141516178081828384858687" + y1, ""},
		{"movhps [rbx],xmm1", "0f 17 0b", 1, x1 + y1, "fe000000=18191a1b1c1d1e1f"},
		{"vmovups xmm1,[rbx]", "c5 f8 10 0b", 1, m16 + z16, ""},
		{"vmovups ymm1,[rbx]", "c5 fc 10 0b", 1, m32, ""},
		{"vmovdqa ymm1,[rbx]", "c5 fd 6f 0b", 1, m32, ""},
		{"vmovdqu [rbx],ymm15", "c4 61 7e 7f 3b", 15, x15 + y15, "fe000000=f0f1f2f3f4f5f6f7 fe000008=f8f9fafbfcfdfeff fe000010=0f0e0d0c0b0a0908 fe000018=0706050403020100"},
		{"vmovntdq [rbx],ymm1", "c5 fd e7 0b", 1, x1 + y1, "fe000000=1011121314151617 fe000008=18191a1b1c1d1e1f fe000010=efeeedecebeae9e8 fe000018=e7e6e5e4e3e2e1e0"},
		{"vmovntdqa ymm1,[rbx]", "c4 e2 7d 2a 0b", 1, m32, ""},
		{"vmovd xmm1,[rbx]", "c5 f9 6e 0b", 1, "80818283" + z12 + z16, ""},
		{"vmovq xmm1,[rbx]", "c5 fa 7e 0b", 1, "8081828384858687" + z8 + z16, ""},
		{"vmovq [rbx],xmm1", "c5 f9 d6 0b", 1, x1 + y1, "fe000000=1011121314151617"},
		{"vmovsd xmm1,[rbx]", "c5 fb 10 0b", 1, "8081828384858687" + z8 + z16, ""},
		{"vmovhps [rbx],xmm1", "c5 f8 17 0b", 1, x1 + y1, "fe000000=18191a1b1c1d1e1f"},
		{"vmovdqu ymm1,[ebx]", "67 c5 fe 6f 0b", 1, m32, ""},
		{"vmovdqu ymm1,gs:[rbx]", "65 c5 fe 6f 0b", 1, "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf", ""},
		{"movdqu xmm1,gs:[rbx]", "65 f3 0f 6f 0b", 1, "909192939495969798999a9b9c9d9e9f" + y1, ""},
	} {
		for _, gpa := range []uint64{devBase, devBase + 0x777} {
			if c.code[:2] == "65" {
				gpa = devBase + 16 // the mode has no base of GS: the exit knows better
			}
			r := simd()
			r.c.s.GS.Base = 16
			code := bs(c.code)
			res, ev := r.do(gpa, code...)
			got := fmt.Sprintf("%x", r.ymm(c.reg))
			log := fmt.Sprint(r.d.log)
			if res != vcpu.Done || got != c.want || log != "["+c.log+"]" || r.c.r.RIP != codeBase+uint64(len(code)) {
				t.Errorf("%s: %d %+v\n%s, want\n%s\n%s rip %x", c.name, res, ev, got, c.want, log, r.c.r.RIP)
			}
			for n := range 16 {
				if n != c.reg && !bytes.Equal(r.ymm(n), simd().ymm(n)) {
					t.Errorf("%s: register %d changed", c.name, n)
				}
			}
		}
	}
}

// TestVectorInitialState: a component whose bit is clear reads as zero, and a write makes
// the rest of it so.
func TestVectorInitialState(t *testing.T) {
	r := simd()
	r.c.area[xstateAt] = 1
	if res, _ := r.do(devBase, bs("c5 fe 7f 0b")...); res != vcpu.Done || !bytes.Equal(r.d.mem[:32], make([]byte, 32)) {
		t.Errorf("%x", r.d.mem[:32])
	}
	if res, _ := r.do(devBase+0x20, bs("c5 fe 6f 4b 20")...); res != vcpu.Done || r.c.area[xstateAt] != 7 ||
		r.ymm(1)[0] != 0xa0 || r.ymm(1)[31] != 0xbf || !bytes.Equal(r.ymm(2), make([]byte, 32)) {
		t.Errorf("%x %x", r.ymm(1), r.ymm(2))
	}
	// An SSE load leaves AVX's bit alone.
	r = simd()
	r.c.area[xstateAt] = 0
	if res, _ := r.do(devBase, bs("0f 10 0b")...); res != vcpu.Done || r.c.area[xstateAt] != 2 || r.ymm(1)[15] != 0x8f || r.ymm(2)[0] != 0 || r.ymm(2)[16] != 0xdf {
		t.Errorf("%x", r.c.area[xstateAt])
	}
	// FXSAVE has no header.
	r = simd()
	r.c.area = r.c.area[:512]
	if res, _ := r.do(devBase, bs("0f 11 0b 0f 10 13")...); res != vcpu.Done || r.d.mem[15] != 0x1f {
		t.Error("fxsave store")
	}
	if res, _ := r.do(devBase, bs("0f 10 13")...); res != vcpu.Done || !bytes.Equal(r.c.area[xmmAt+32:][:16], r.d.mem[:16]) {
		t.Error("fxsave load")
	}
	if res, _ := r.do(devBase, bs("c5 fc 10 0b")...); res != vcpu.Unable {
		t.Error("AVX without an area for it")
	}
}

func TestVectorFaults(t *testing.T) {
	for _, c := range []struct {
		name, code string
		prep       func(*rig)
		vec        uint8
	}{
		{"TS", "0f 10 0b", func(r *rig) { r.c.s.CR0 |= vcpu.CR0TS }, 7},
		{"EM", "0f 10 0b", func(r *rig) { r.c.s.CR0 |= vcpu.CR0EM | vcpu.CR0TS }, 6},
		{"no OSFXSR", "0f 10 0b", func(r *rig) { r.c.s.CR4 &^= vcpu.CR4OSFXSR }, 6},
		{"vex, TS", "c5 fc 10 0b", func(r *rig) { r.c.s.CR0 |= vcpu.CR0TS }, 7},
		{"vex, no OSXSAVE", "c5 fc 10 0b", func(r *rig) { r.c.s.CR4 &^= vcpu.CR4OSXSAVE }, 6},
		{"vex, no AVX state", "c5 fc 10 0b", func(r *rig) { r.c.s.XCR0 = 3 }, 6},
		{"vex with vvvv", "c5 f4 10 0b", nil, 6},
		{"vex3 with vvvv", "c4 e1 74 10 0b", nil, 6},
		{"lock movups", "f0 0f 10 0b", nil, 6},
		{"movaps, 8 bytes off", "0f 28 4b 08", nil, 13},
		{"vmovdqa ymm, 16 bytes off", "c5 fd 6f 4b 10", nil, 13},
		{"movntdq, 1 byte off", "66 0f e7 4b 01", nil, 13},
		{"cmpxchg16b, 8 bytes off", "48 0f c7 4b 08", nil, 13},
		{"movups across the canonical hole", "0f 10 0b", func(r *rig) { r.c.r.GPR[vcpu.RBX] = 1<<47 - 8 }, 13},
		{"lock mov", "f0 88 03", nil, 6},
		{"lock bt", "f0 0f ba 23 07", nil, 6},
		{"lock cmp", "f0 39 03", nil, 6},
		{"lock add reg,mem", "f0 03 03", nil, 6},
	} {
		r := simd()
		if c.prep != nil {
			c.prep(r)
		}
		if res, ev := r.do(devBase+0x777, bs(c.code)...); res != vcpu.Faulted || ev.Vector != c.vec || ev.Error != 0 || r.c.r.RIP != codeBase || len(r.d.log) != 0 {
			t.Errorf("%s: %d %+v", c.name, res, ev)
		}
	}
}

// TestWideAcrossTwoPages: memory, then a device; every access of the bus has 1, 2, 4 or
// 8 bytes.
func TestWideAcrossTwoPages(t *testing.T) {
	r := simd()
	r.c.r.GPR[vcpu.RBX] = 4<<20 - 17
	if res, ev := r.do(4<<20, bs("c5 fe 7f 0b")...); res != vcpu.Done {
		t.Fatal(res, ev)
	}
	var ram [17]byte
	_ = r.ram.Read(4<<20-17, ram[:])
	if want := "[400000=eeedecebeae9e8e7 400008=e6e5e4e3 40000c=e2e1 40000e=e0]"; fmt.Sprintf("%x", ram) != "101112131415161718191a1b1c1d1e1fef" || fmt.Sprint(r.d.log) != want {
		t.Errorf("%x %v", ram, r.d.log)
	}
	if res, _ := r.do(4<<20, bs("c5 fe 6f 13")...); res != vcpu.Done || !bytes.Equal(r.ymm(2), r.ymm(1)) {
		t.Errorf("%x", r.ymm(2))
	}
}

func TestCmpxchgN(t *testing.T) {
	r := simd()
	g := &r.c.r.GPR
	g[vcpu.RAX], g[vcpu.RDX] = 0x8786858483828180, 0x8f8e8d8c8b8a8988
	g[vcpu.RCX] = 0x1111111111111111
	r.c.r.RFLAGS |= vcpu.FlagCF
	if res, _ := r.do(devBase, bs("f0 48 0f c7 0b")...); res != vcpu.Done || r.c.r.RFLAGS != 2|vcpu.FlagCF|vcpu.FlagZF ||
		fmt.Sprint(r.d.log) != "[fe000000=000000fe00000000 fe000008=1111111111111111]" {
		t.Error("equal", r.d.log)
	}
	g[vcpu.RAX], r.d.log = 5, nil
	if res, _ := r.do(devBase, bs("48 0f c7 0b")...); res != vcpu.Done || r.c.r.RFLAGS != 2|vcpu.FlagCF ||
		g[vcpu.RAX] != devBase || g[vcpu.RDX] != g[vcpu.RCX] || fmt.Sprint(r.d.log) != "[fe000000=000000fe00000000 fe000008=1111111111111111]" {
		t.Errorf("not equal %v %x", r.d.log, g)
	}
	// 8 bytes: the upper halves count for nothing, and are cleared when loaded.
	binary.LittleEndian.PutUint64(r.d.mem[:], 0x2222222233333333)
	g[vcpu.RAX], g[vcpu.RDX], g[vcpu.RBX], g[vcpu.RCX], r.d.log = 0xff00000033333333, 0xff00000022222222, 0xff00000044444444, 0xff00000055555555, nil
	g[vcpu.RSI] = devBase
	if res, _ := r.do(devBase, bs("f0 0f c7 0e")...); res != vcpu.Done || r.c.r.RFLAGS&vcpu.FlagZF == 0 || fmt.Sprint(r.d.log) != "[fe000000=4444444455555555]" || g[vcpu.RAX]>>56 != 0xff {
		t.Errorf("8 bytes %v %x", r.d.log, g)
	}
	if res, _ := r.do(devBase, bs("0f c7 0e")...); res != vcpu.Done || r.c.r.RFLAGS&vcpu.FlagZF != 0 || g[vcpu.RAX] != 0x44444444 || g[vcpu.RDX] != 0x55555555 {
		t.Errorf("8 bytes, not equal %x", g)
	}
}
