package emul

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vcpu"
)

const (
	devBase  = 0xfe000000
	codeBase = 0x100000
)

type cpu struct {
	r    vcpu.Regs
	s    vcpu.System
	area []byte
}

func (c *cpu) Regs() *vcpu.Regs     { return &c.r }
func (c *cpu) Mode() *vcpu.System   { return &c.s }
func (c *cpu) System() *vcpu.System { return &c.s }
func (c *cpu) XSAVE() []byte        { return c.area }

// device is 4 KiB of registers that are plain memory, with a log.
type device struct {
	mem [4096]byte
	log []string
}

func (d *device) ReadPort(p uint16, b []byte) {
	for i := range b {
		b[i] = byte(p) + byte(i)
	}
}
func (d *device) WritePort(p uint16, b []byte) { d.log = append(d.log, fmt.Sprintf("out %x %x", p, b)) }
func (d *device) ReadMMIO(gpa uint64, b []byte) {
	copy(b, d.mem[gpa&0xfff:])
}
func (d *device) WriteMMIO(gpa uint64, b []byte) {
	d.log = append(d.log, fmt.Sprintf("%x=%x", gpa, b))
	copy(d.mem[gpa&0xfff:], b)
}
func (d *device) Backed(uint64, bool) (bool, error) { return false, nil }

type rig struct {
	e   *Emulator
	c   *cpu
	d   *device
	ram *gmem.Memory
}

// long is 64-bit mode with identity tables over 4 GiB; legacy is flat 32-bit
// code without paging.
func long() *rig {
	r := legacy()
	r.ram.PutUint64(0x1000, 0x2000|7)
	for i := range uint64(4) {
		r.ram.PutUint64(0x2000+8*i, i<<30|0x87)
	}
	s := &r.c.s
	s.CR0 = vcpu.CR0PG | vcpu.CR0PE | vcpu.CR0WP
	s.CR3, s.CR4, s.EFER = 0x1000, vcpu.CR4PAE, vcpu.EFERLMA|vcpu.EFERLME|vcpu.EFERNXE
	s.CS.Attr = 0xa09b
	return r
}

func legacy() *rig {
	ram := gmemtest.New(4 << 20)
	r := &rig{ram: ram, c: &cpu{}, d: &device{}}
	r.e = New(ram, r.d, 40)
	flat := vcpu.Segment{Limit: 0xffffffff, Attr: 0xc093}
	r.c.s = vcpu.System{CR0: vcpu.CR0PE, CS: flat, SS: flat, DS: flat, ES: flat, FS: flat, GS: flat}
	r.c.s.CS.Attr = 0xc09b
	r.c.r.RIP = codeBase
	r.c.r.RFLAGS = 2
	return r
}

// do executes code, whose memory access went to gpa.
func (r *rig) do(gpa uint64, code ...byte) (vcpu.Result, vcpu.Event) {
	if err := r.ram.Write(r.c.r.RIP, code); err != nil {
		panic(err)
	}
	x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: gpa}}
	return r.e.Memory(r.c, &x)
}

func bs(s string) (b []byte) {
	for _, f := range strings.Fields(s) {
		var v byte
		fmt.Sscanf(f, "%x", &v)
		b = append(b, v)
	}
	return b
}

// Each row is one instruction: rbx points at the device, rax and the 8 bytes at
// rbx have the values given; what they and CF ZF SF OF PF AF are afterwards.
func TestInstructions(t *testing.T) {
	const a0, m0 = 0x1122334455667788, 0x99aabbccddeeff80
	for _, c := range []struct {
		name, code string
		a, m       uint64
		flags      uint64 // ^0: not looked at
	}{
		{"mov [rbx],al", "88 03", a0, 0x99aabbccddeeff88, 0},
		{"mov [rbx],ah", "88 23", a0, 0x99aabbccddeeff77, 0},
		{"mov [rbx],ax", "66 89 03", a0, 0x99aabbccddee7788, 0},
		{"mov [rbx],eax", "89 03", a0, 0x99aabbcc55667788, 0},
		{"mov [rbx],rax", "48 89 03", a0, a0, 0},
		{"mov al,[rbx]", "8a 03", 0x1122334455667780, m0, 0},
		{"mov ah,[rbx]", "8a 23", 0x1122334455668088, m0, 0},
		{"mov ax,[rbx]", "66 8b 03", 0x112233445566ff80, m0, 0},
		{"mov eax,[rbx]", "8b 03", 0xddeeff80, m0, 0},
		{"mov rax,[rbx]", "48 8b 03", m0, m0, 0},
		{"mov byte [rbx],5a", "c6 03 5a", a0, 0x99aabbccddeeff5a, 0},
		{"mov word [rbx],imm", "66 c7 03 34 12", a0, 0x99aabbccddee1234, 0},
		{"mov dword [rbx],imm", "c7 03 78 56 34 12", a0, 0x99aabbcc12345678, 0},
		{"mov qword [rbx],-1", "48 c7 03 ff ff ff ff", a0, ^uint64(0), 0},
		{"movabs rax,[dev]", "48 a1 00 00 00 fe 00 00 00 00", m0, m0, 0},
		{"movabs [dev],eax", "a3 00 00 00 fe 00 00 00 00", a0, 0x99aabbcc55667788, 0},
		{"movnti [rbx],rax", "48 0f c3 03", a0, a0, 0},
		{"movzx eax,byte", "0f b6 03", 0x80, m0, 0},
		{"movzx eax,word", "0f b7 03", 0xff80, m0, 0},
		{"movsx eax,byte", "0f be 03", 0xffffff80, m0, 0},
		{"movsx rax,word", "48 0f bf 03", 0xffffffffffffff80, m0, 0},
		{"movsx ax,byte", "66 0f be 03", 0x112233445566ff80, m0, 0},
		{"movsxd rax,dword", "48 63 03", 0xffffffffddeeff80, m0, 0},
		{"or qword [rbx],-16", "48 81 0b f0 ff ff ff", a0, ^uint64(15), vcpu.FlagSF | vcpu.FlagPF},
		{"test qword [rbx],-1<<31", "48 f7 03 00 00 00 80", a0, m0, vcpu.FlagSF | vcpu.FlagPF},
		{"sub qword [rbx],-1", "48 83 2b ff", a0, m0 + 1, vcpu.FlagCF | vcpu.FlagSF | vcpu.FlagAF | vcpu.FlagPF},
		{"and [rbx],eax", "21 03", a0, 0x99aabbcc55667780, 0},
		{"or [rbx],eax", "09 03", a0, 0x99aabbccddeeff88, vcpu.FlagSF | vcpu.FlagPF},
		{"xor rax,[rbx]", "48 33 03", a0 ^ m0, m0, vcpu.FlagSF},
		{"add dword [rbx],-1", "83 03 ff", a0, 0x99aabbccddeeff7f, vcpu.FlagCF | vcpu.FlagSF},
		{"add eax,[rbx]", "03 03", 0x33557708, m0, vcpu.FlagCF},
		{"sub [rbx],al", "28 03", a0, 0x99aabbccddeefff8, vcpu.FlagCF | vcpu.FlagSF | vcpu.FlagAF},
		{"cmp byte [rbx],80", "80 3b 80", a0, m0, vcpu.FlagZF | vcpu.FlagPF},
		{"cmp al,[rbx]", "3a 03", a0, m0, 0},
		{"test byte [rbx],80", "f6 03 80", a0, m0, vcpu.FlagSF},
		{"test [rbx],eax", "85 03", a0, m0, 0},
		{"inc byte [rbx]", "fe 03", a0, 0x99aabbccddeeff81, vcpu.FlagSF | vcpu.FlagPF},
		{"dec byte [rbx]", "fe 0b", a0, 0x99aabbccddeeff7f, vcpu.FlagOF | vcpu.FlagAF},
		{"not dword [rbx]", "f7 13", a0, 0x99aabbcc2211007f, 0},
		{"neg byte [rbx]", "f6 1b", a0, m0, vcpu.FlagCF | vcpu.FlagSF | vcpu.FlagOF},
		{"xchg [rbx],eax", "87 03", 0xddeeff80, 0x99aabbcc55667788, 0},
		{"lock xadd [rbx],al", "f0 0f c0 03", 0x1122334455667780, 0x99aabbccddeeff08, vcpu.FlagCF | vcpu.FlagOF},
		{"lock cmpxchg [rbx],ecx", "f0 0f b1 0b", 0xddeeff80, m0, vcpu.FlagCF},
		{"bt dword [rbx],7", "0f ba 23 07", a0, m0, vcpu.FlagCF},
		{"lock bts dword [rbx],0", "f0 0f ba 2b 00", a0, 0x99aabbccddeeff81, 0},
		{"btr dword [rbx],7", "0f ba 33 07", a0, 0x99aabbccddeeff00, vcpu.FlagCF},
		{"btc dword [rbx],1", "0f ba 3b 01", a0, 0x99aabbccddeeff82, 0},
		{"movbe eax,[rbx]", "0f 38 f0 03", 0x80ffeedd, m0, 0},
		{"movbe [rbx],ax", "66 0f 38 f1 03", a0, 0x99aabbccddee8877, 0},
		{"mov [rbx+rsi*2-8],al", "88 44 73 f8", a0, 0x99aabbccddeeff88, 0},
		{"mov eax,[rbx+rsi*4-16]", "8b 84 b3 f0 ff ff ff", 0xddeeff80, m0, 0},
		{"mov eax,[rip+dev]", "8b 05 fa ff ef 7d", 0xddeeff80, m0, 0},
	} {
		for _, exact := range []bool{true, false} {
			r := long()
			g := &r.c.r.GPR
			g[vcpu.RAX], g[vcpu.RBX], g[vcpu.RSI], g[vcpu.RCX] = a0, devBase, 4, 0
			binary.LittleEndian.PutUint64(r.d.mem[:], m0)
			code := bs(c.code)
			gpa := uint64(devBase)
			if !exact {
				gpa += 0x777 // does not agree with the operand: the slow way
			}
			res, ev := r.do(gpa, code...)
			m := binary.LittleEndian.Uint64(r.d.mem[:])
			if res != vcpu.Done || g[vcpu.RAX] != c.a || m != c.m || r.c.r.RIP != codeBase+uint64(len(code)) ||
				r.c.r.RFLAGS != c.flags|2 {
				t.Errorf("%s: %d %+v rax %x mem %x flags %x rip %x", c.name, res, ev, g[vcpu.RAX], m, r.c.r.RFLAGS, r.c.r.RIP)
			}
		}
	}
}

func TestBitBeyondTheOperand(t *testing.T) {
	r := long()
	r.c.r.GPR[vcpu.RBX] = devBase + 0x100
	r.c.r.GPR[vcpu.RAX] = 0xffffffff // -1: the last bit before rbx
	if res, _ := r.do(0, bs("0f ab 03")...); res != vcpu.Done || r.d.mem[0xff] != 0x80 {
		t.Error(r.d.log)
	}
}

func TestRefused(t *testing.T) {
	for _, code := range []string{
		"ff 13",       // call [rbx]
		"0f 6f 03",    // movq mm0,[rbx]
		"0f 58 03",    // addps xmm0,[rbx]
		"c5 f0 12 03", // vmovlps xmm0,xmm1,[rbx]
		"0f b4 03",    // lfs eax,[rbx]
		"8e 1b",       // mov ds,[rbx]
		"d9 03",       // fld
		"0f ff",       // nothing
		"90",          // touches no memory
	} {
		r := long()
		r.c.r.GPR[vcpu.RBX] = devBase
		if res, _ := r.do(devBase, bs(code)...); res != vcpu.Unable {
			t.Errorf("%s: %d", code, res)
		}
	}
	r := long()
	r.c.s.CR4 |= vcpu.CR4LA57
	if res, _ := r.do(devBase, 0x88, 0x03); res != vcpu.Unable {
		t.Error("5-level paging")
	}
}

func TestStrings(t *testing.T) {
	r := long()
	g := &r.c.r.GPR
	g[vcpu.RDI], g[vcpu.RCX], g[vcpu.RAX] = devBase, 3, 0xab
	if res, _ := r.do(devBase, 0xf3, 0xaa); res != vcpu.Done || r.d.mem[2] != 0xab || r.d.mem[3] != 0 || g[vcpu.RCX] != 0 || g[vcpu.RDI] != devBase+3 {
		t.Error("rep stosb", g)
	}
	// From memory to the device, backwards.
	_ = r.ram.Write(0x5000, []byte{1, 0, 2, 0, 3, 0})
	g[vcpu.RSI], g[vcpu.RDI], g[vcpu.RCX] = 0x5004, devBase+4, 3
	r.c.r.RFLAGS |= vcpu.FlagDF
	if res, _ := r.do(devBase+4, 0xf3, 0x66, 0xa5); res != vcpu.Done || r.d.mem[0] != 1 || r.d.mem[2] != 2 || r.d.mem[4] != 3 || g[vcpu.RSI] != 0x4ffe {
		t.Error("rep movsw", r.d.mem[:6], g)
	}
	r.c.r.RFLAGS &^= vcpu.FlagDF
	g[vcpu.RSI] = devBase
	if r.do(devBase, 0xad); g[vcpu.RAX] != 0x00020001 {
		t.Errorf("lodsd %x", g[vcpu.RAX])
	}
	// A long REP goes on in several rounds with RIP still at it.
	start := r.c.r.RIP
	g[vcpu.RDI], g[vcpu.RCX] = devBase, maxRep+5
	if res, _ := r.do(devBase, 0xf3, 0xaa); res != vcpu.Again || r.c.r.RIP != start || g[vcpu.RCX] != 5 {
		t.Error("first round", res, g[vcpu.RCX])
	}
	if res, _ := r.do(devBase, 0xf3, 0xaa); res != vcpu.Done || r.c.r.RIP != start+2 {
		t.Error("second round")
	}
	// REPNE SCASB finds the 7.
	clear(r.d.mem[:])
	r.d.mem[3] = 7
	g[vcpu.RDI], g[vcpu.RCX], g[vcpu.RAX] = devBase, 100, 7
	if res, _ := r.do(devBase, 0xf2, 0xae); res != vcpu.Done || g[vcpu.RCX] != 96 || r.c.r.RFLAGS&vcpu.FlagZF == 0 {
		t.Error("repne scasb", g[vcpu.RCX])
	}
}

func TestStringPorts(t *testing.T) {
	r := legacy()
	g := &r.c.r.GPR
	x := vcpu.Exit{Kind: vcpu.KindPIO, PIO: vcpu.PIO{Size: 4}}
	_ = r.ram.Write(codeBase, bs("f3 6f f3 6c"))
	_ = r.ram.Write(0x3000, []byte{1, 2, 3, 4, 5, 6, 7, 8})
	g[vcpu.RSI], g[vcpu.RDI], g[vcpu.RCX], g[vcpu.RDX] = 0x3000, 0x3ffe, 2, 0x1f0
	if res, ev := r.e.String(r.c, &x); res != vcpu.Done || fmt.Sprint(r.d.log) != "[out 1f0 01020304 out 1f0 05060708]" {
		t.Error(res, ev, r.d.log)
	}
	g[vcpu.RCX], x.PIO = 4, vcpu.PIO{Size: 1, In: true}
	if res, _ := r.e.String(r.c, &x); res != vcpu.Done {
		t.Error(res)
	}
	if v, _ := r.ram.Uint32(0x3ffe); v != 0xf0f0f0f0 {
		t.Errorf("%x", v)
	}
	// The port was checked for one byte to read.
	r.c.r.RIP = codeBase
	if res, _ := r.e.String(r.c, &x); res != vcpu.Again || len(r.d.log) != 2 {
		t.Error(res, r.d.log)
	}
	r.c.s.ES.Attr = 0xc091 // read-only
	g[vcpu.RCX] = 1
	r.c.r.RIP = codeBase + 2
	if res, ev := r.e.String(r.c, &x); res != vcpu.Faulted || ev.Vector != 13 || g[vcpu.RCX] != 1 {
		t.Error(res, ev)
	}
}

func TestSegments(t *testing.T) {
	r := legacy()
	r.c.s.FS = vcpu.Segment{Base: devBase - 0x1000, Limit: 0x2000, Attr: 0x93}
	r.c.r.GPR[vcpu.RBX] = 0x1010
	if res, ev := r.do(devBase, 0x64, 0x88, 0x03); res != vcpu.Done || len(r.d.log) != 1 || r.d.log[0] != "fe000010=00" {
		t.Error(res, ev, r.d.log)
	}
	r.c.r.GPR[vcpu.RBX] = 0x2001
	if res, ev := r.do(devBase, 0x64, 0x88, 0x03); res != vcpu.Faulted || ev.Vector != 13 || ev.Error != 0 {
		t.Error(res, ev)
	}
	r.c.s.SS.Attr = 0xc097 // expand-down above 0x1fff
	r.c.s.SS.Limit = 0x1fff
	r.c.r.GPR[vcpu.RBP] = 0x1ffe
	if res, ev := r.do(devBase, 0x88, 0x45, 0x00); res != vcpu.Faulted || ev.Vector != 12 {
		t.Error(res, ev)
	}
	// Real mode, 16-bit addressing: [bx+si].
	r = legacy()
	r.c.s.CR0 = 0
	r.c.s.CS = vcpu.Segment{Base: 0, Limit: 0xffffffff, Attr: 0x9b}
	r.c.s.DS = vcpu.Segment{Base: devBase, Limit: 0xffff, Attr: 0x93}
	r.c.r.GPR[vcpu.RBX], r.c.r.GPR[vcpu.RSI], r.c.r.GPR[vcpu.RAX] = 0xfff0, 0x20, 0x7f
	if res, ev := r.do(0, 0x88, 0x00); res != vcpu.Done || r.d.mem[0x10] != 0x7f {
		t.Error(res, ev, r.d.log)
	}
	// In 64-bit code a non-canonical address faults.
	r = long()
	r.c.r.GPR[vcpu.RBX] = 1 << 47
	if res, ev := r.do(0x123, 0x88, 0x03); res != vcpu.Faulted || ev.Vector != 13 {
		t.Error(res, ev)
	}
}

func TestWalk(t *testing.T) {
	type mode uint8
	const (
		m4 mode = iota
		mPAE
		m32
	)
	for _, c := range []struct {
		name string
		m    mode
		leaf uint64
		acc  access
		ok   bool
		err  uint32
		prep func(*vcpu.System)
	}{
		{"read", m4, 7, accRead, true, 0, nil},
		{"not present", m4, 0, accRead, false, 0, nil},
		{"write to read-only, WP", m4, 1, accWrite, false, pfP | pfW, nil},
		{"write to read-only, no WP", m4, 1, accWrite, true, 0, func(s *vcpu.System) { s.CR0 &^= vcpu.CR0WP }},
		{"user to supervisor", m4, 3, accRead, false, pfP | pfU, func(s *vcpu.System) { s.SS.Attr |= 3 << 5 }},
		{"user write, no WP", m4, 5, accWrite, false, pfP | pfW | pfU, func(s *vcpu.System) { s.SS.Attr |= 3 << 5; s.CR0 &^= vcpu.CR0WP }},
		{"fetch from NX", m4, 7 | pteNX, accFetch, false, pfP | pfI, nil},
		{"NX while off", m4, 7 | pteNX, accRead, false, pfP | pfRSVD, func(s *vcpu.System) { s.EFER &^= vcpu.EFERNXE }},
		{"SMEP", m4, 7, accFetch, false, pfP | pfI, func(s *vcpu.System) { s.CR4 |= vcpu.CR4SMEP }},
		{"reserved address", m4, 7 | 1<<45, accRead, false, pfP | pfRSVD, nil},
		{"software bits", m4, 7 | 1<<52 | 1<<62, accRead, true, 0, nil},
		{"pae read", mPAE, 7, accRead, true, 0, nil},
		{"pae software bits", mPAE, 7 | 1<<52, accRead, false, pfP | pfRSVD, nil},
		{"32 read", m32, 7, accWrite, true, 0, nil},
		{"32 not present", m32, 0, accWrite, false, pfW, nil},
		{"32 read-only", m32, 5, accWrite, false, pfP | pfW, nil},
	} {
		r := legacy()
		s := &r.c.s
		s.CR0 |= vcpu.CR0PG | vcpu.CR0WP
		s.CR3 = 0x10000
		const lin, page = 0x00403123, 0x7000
		var leafAt uint64
		switch c.m {
		case m4:
			s.CR4, s.EFER = vcpu.CR4PAE, vcpu.EFERLMA|vcpu.EFERNXE
			r.ram.PutUint64(0x10000, 0x11007)
			r.ram.PutUint64(0x11000, 0x12007)
			r.ram.PutUint64(0x12000+2*8, 0x13007)
			leafAt = 0x13000 + 3*8
		case mPAE:
			s.CR4, s.EFER = vcpu.CR4PAE, vcpu.EFERNXE
			r.ram.PutUint64(0x10000, 0x12001)
			r.ram.PutUint64(0x12000+2*8, 0x13007)
			leafAt = 0x13000 + 3*8
		case m32:
			r.ram.PutUint32(0x10000+4, 0x13007)
			leafAt = 0x13000 + 3*4
		}
		if c.m == m32 {
			r.ram.PutUint32(leafAt, uint32(c.leaf|page))
		} else {
			r.ram.PutUint64(leafAt, c.leaf|page)
		}
		if c.prep != nil {
			c.prep(s)
		}
		gpa, ev, ok := r.e.walk(s, lin, c.acc)
		if ok != c.ok || ok && gpa != page+0x123 || !ok && (ev.Vector != 14 || ev.Error != c.err || ev.CR2 != lin) {
			t.Errorf("%s: %v %x %+v", c.name, ok, gpa, ev)
		}
		leaf, _ := r.ram.Uint32(leafAt)
		wantAD := uint32(0)
		if ok {
			wantAD = pteA
			if c.acc == accWrite {
				wantAD |= pteD
			}
		}
		if leaf&(pteA|pteD) != wantAD {
			t.Errorf("%s: A/D %x, want %x", c.name, leaf&(pteA|pteD), wantAD)
		}
	}
}

func TestLargePages(t *testing.T) {
	r := long()
	s := &r.c.s
	if gpa, _, ok := r.e.walk(s, 0xfe000123, accRead); !ok || gpa != 0xfe000123 {
		t.Error("1 GiB")
	}
	r.ram.PutUint64(0x2000, 0x3007)
	r.ram.PutUint64(0x3000+8, 0x600000|0x87)
	if gpa, _, ok := r.e.walk(s, 0x212345, accRead); !ok || gpa != 0x612345 {
		t.Error("2 MiB")
	}
	r.ram.PutUint64(0x3000+8, 0x604000|0x87)
	if _, ev, ok := r.e.walk(s, 0x212345, accRead); ok || ev.Error != pfP|pfRSVD {
		t.Error("reserved bits of a 2 MiB page")
	}
	r.ram.PutUint64(0x1000, 0x2087)
	if _, ev, ok := r.e.walk(s, 0x212345, accRead); ok || ev.Error != pfP|pfRSVD {
		t.Error("PS in the top level")
	}
	r.c.s.CR3 = 0xf0000000
	if _, ev, ok := r.e.walk(s, 0, accRead); ok || ev.Error != pfP|pfRSVD {
		t.Error("tables where no memory is")
	}
	r = legacy()
	s = &r.c.s
	s.CR0 |= vcpu.CR0PG
	s.CR4, s.CR3 = vcpu.CR4PSE, 0x10000
	r.ram.PutUint32(0x10000, 0x00c00000|1<<13|0x87)
	if gpa, _, ok := r.e.walk(s, 0x123456, accRead); !ok || gpa != 0x100d23456 {
		t.Errorf("PSE-36: %x", gpa)
	}
}

func TestNoAllocation(t *testing.T) {
	r := long()
	r.c.r.GPR[vcpu.RBX] = devBase
	_ = r.ram.Write(codeBase, []byte{0x8b, 0x03})
	x := vcpu.Exit{Mem: vcpu.Memory{GPA: devBase}}
	r.e.Memory(r.c, &x)
	if n := testing.AllocsPerRun(100, func() {
		r.c.r.RIP = codeBase
		r.e.Memory(r.c, &x)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMMIO(b *testing.B) {
	r := long()
	r.c.r.GPR[vcpu.RBX] = devBase
	_ = r.ram.Write(codeBase, []byte{0x8b, 0x03})
	x := vcpu.Exit{Mem: vcpu.Memory{GPA: devBase}}
	for b.Loop() {
		r.c.r.RIP = codeBase
		r.e.Memory(r.c, &x)
	}
}
