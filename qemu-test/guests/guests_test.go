package guests

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/bits"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

func TestImagesAreMultibootELF(t *testing.T) {
	for _, name := range Names() {
		img := Build(name)
		f, err := elf.NewFile(bytes.NewReader(img))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f.Class != elf.ELFCLASS32 || f.Machine != elf.EM_386 || len(f.Progs) != 1 {
			t.Errorf("%s: %v %v, %d segments", name, f.Class, f.Machine, len(f.Progs))
		}
		seg := f.Progs[0]
		if seg.Paddr != Load || f.Entry != Load+headerSize {
			t.Errorf("%s: segment at %#x, entry %#x", name, seg.Paddr, f.Entry)
		}
		// Multiboot 0.6.96, 3.1: within the first 8192 bytes, aligned to 4.
		off := bytes.Index(img[:8192], []byte{0x02, 0xB0, 0xAD, 0x1B})
		if off < 0 || off%4 != 0 {
			t.Fatalf("%s: header at %d", name, off)
		}
		w := func(i int) uint32 { return binary.LittleEndian.Uint32(img[off+4*i:]) }
		if w(0)+w(1)+w(2) != 0 {
			t.Errorf("%s: checksum", name)
		}
	}
	if Build("no such guest") != nil {
		t.Error("an unknown guest was built")
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	if !bytes.Equal(Build("bench"), Build("bench")) {
		t.Error("two builds differ")
	}
}

// TestEncodings reads each instruction back with another decoder.
func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		emit func(a *Asm)
		want string
	}{
		{func(a *Asm) { a.Mov(ECX, 0x1B) }, "mov ecx, 0x1b"},
		{func(a *Asm) { a.MovReg(EAX, EBX) }, "mov eax, ebx"},
		{func(a *Asm) { a.Load(EAX, ESI, 0x10) }, "mov eax, dword ptr [esi+0x10]"},
		{func(a *Asm) { a.Store(ESP, 0, ESI) }, "mov dword ptr [esp], esi"},
		{func(a *Asm) { a.LoadAbs(EDX, 0xFED000F0) }, "mov edx, dword ptr [0xfed000f0]"},
		{func(a *Asm) { a.StoreAbs(0x1000, EDI) }, "mov dword ptr [0x1000], edi"},
		{func(a *Asm) { a.And(EAX, ESI) }, "and eax, esi"},
		{func(a *Asm) { a.Xor(EBP, EAX) }, "xor ebp, eax"},
		{func(a *Asm) { a.Label("t"); a.JmpOf("t", ECX) }, "jmp dword ptr [4*ecx]"},
		{func(a *Asm) { a.LoadByte(EAX, ESI) }, "movzx eax, byte ptr [esi]"},
		{func(a *Asm) { a.StoreByte(EDI, EAX) }, "mov byte ptr [edi], al"},
		{func(a *Asm) { a.Add(EAX, EBX) }, "add eax, ebx"},
		{func(a *Asm) { a.Adc(EDX, ECX) }, "adc edx, ecx"},
		{func(a *Asm) { a.Sub(EAX, ESI) }, "sub eax, esi"},
		{func(a *Asm) { a.Sbb(EDX, EDI) }, "sbb edx, edi"},
		{func(a *Asm) { a.Cmp(EAX, ECX) }, "cmp eax, ecx"},
		{func(a *Asm) { a.Or(EAX, ECX) }, "or eax, ecx"},
		{func(a *Asm) { a.Test(EAX, EAX) }, "test eax, eax"},
		{func(a *Asm) { a.AddImm(ESI, 16) }, "add esi, 0x10"},
		{func(a *Asm) { a.OrImm(EAX, 0xC00) }, "or eax, 0xc00"},
		{func(a *Asm) { a.AndImm(EAX, 15) }, "and eax, 0xf"},
		{func(a *Asm) { a.CmpImm(EAX, 9) }, "cmp eax, 0x9"},
		{func(a *Asm) { a.Clear(EDX) }, "xor edx, edx"},
		{func(a *Asm) { a.Inc(EDI) }, "inc edi"},
		{func(a *Asm) { a.Dec(EBP) }, "dec ebp"},
		{func(a *Asm) { a.Div(EBX) }, "div ebx"},
		{func(a *Asm) { a.Shr(EAX, 4) }, "shr eax, 0x4"},
		{func(a *Asm) { a.Rol(EAX, 4) }, "rol eax, 0x4"},
		{func(a *Asm) { a.Push(EDX) }, "push edx"},
		{func(a *Asm) { a.Pop(EDX) }, "pop edx"},
		{func(a *Asm) { a.OutB(0x80) }, "out 0x80, al"},
		{func(a *Asm) { a.InB(0x21) }, "in al, 0x21"},
		{func(a *Asm) { a.OutDX(4) }, "out dx, eax"},
		{func(a *Asm) { a.InDX(1) }, "in al, dx"},
		{func(a *Asm) { a.ToCR(3) }, "mov cr3, eax"},
		{func(a *Asm) { a.FromCR(4) }, "mov eax, cr4"},
		{func(a *Asm) { a.InvlPg(0x40000000) }, "invlpg byte ptr [0x40000000]"},
		{func(a *Asm) { a.Shl(EBX, 12) }, "shl ebx, 0xc"},
		{func(a *Asm) { a.Label("x"); a.LockIncOf("x", ECX) }, "lock inc dword ptr [4*ecx]"},
		{func(a *Asm) { a.Label("x"); a.LoadOf(EBX, "x", EDI) }, "mov ebx, dword ptr [4*edi]"},
		{func(a *Asm) { a.Label("x"); a.CmpOf(EBX, "x", EDI) }, "cmp ebx, dword ptr [4*edi]"},
		{func(a *Asm) { a.Label("x"); a.CmpAt(EBX, "x") }, "cmp ebx, dword ptr []"},
		{func(a *Asm) { a.Label("x"); a.LockInc("x") }, "lock inc dword ptr []"},
		{func(a *Asm) { a.Label("x"); a.StoreImm("x", 7) }, "mov dword ptr [], 0x7"},
		{func(a *Asm) { a.Label("x"); a.CallAt("x") }, "call dword ptr []"},
	} {
		a := NewAsm(0)
		c.emit(a)
		in, err := x86asm.Decode(a.Code(), 32)
		if err != nil || in.Len != len(a.code) {
			t.Errorf("%s: % x: %v", c.want, a.code, err)
			continue
		}
		if got := x86asm.IntelSyntax(in, 0, nil); got != c.want {
			t.Errorf("% x is %q, want %q", a.code, got, c.want)
		}
	}
}

func TestLabels(t *testing.T) {
	a := NewAsm(0x1000)
	a.Jmp("end")
	a.Label("mid")
	a.Op("nop")
	a.If(Equal, "mid")
	a.Label("end")
	a.Addr("mid")
	want := []byte{0xE9, 7, 0, 0, 0, 0x90, 0x0F, 0x84, 0xF9, 0xFF, 0xFF, 0xFF, 5, 0x10, 0, 0}
	if got := a.Code(); !bytes.Equal(got, want) {
		t.Errorf("% x\nwant % x", got, want)
	}
}

func TestUnknownLabelPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	a := NewAsm(0)
	a.Jmp("nowhere")
	a.Code()
}

// TestWitnessHash does what the guest does, in memory and then.
func TestWitnessHash(t *testing.T) {
	words := make([]uint32, witnessWords)
	v := uint32(1)
	for i := range words {
		v = v*witnessMul + witnessAdd
		words[i] = v
	}
	hash := func() (h uint32) {
		for _, w := range words {
			h = bits.RotateLeft32(h, 5) + w
		}
		return h
	}
	if h := fmt.Sprintf("%08x", hash()); h != WitnessHash() {
		t.Errorf("%s, want %s", h, WitnessHash())
	}
	words[witnessWords/2] ^= 1
	if h := fmt.Sprintf("%08x", hash()); h == WitnessHash() {
		t.Error("a bit of the memory does not count")
	}
}
