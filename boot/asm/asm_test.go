package asm

import (
	"errors"
	"strings"
	"testing"
)

// TestEncodings compares what the assembler emits with what a decoder reads.
func TestEncodings(t *testing.T) {
	for _, tt := range []struct {
		mode int
		emit func(*Code)
		want string
	}{
		{32, func(c *Code) { c.MovRI(SI, 1, "") }, "mov esi, 0x1"},
		{64, func(c *Code) { c.MovRI(R10, 1, "") }, "mov r10d, 0x1"},
		{64, func(c *Code) { c.MovRI64(R9, 1<<40, "") }, "mov r9, 0x10000000000"},
		{64, func(c *Code) { c.MovRI64(BX, 1<<40, "") }, "mov rbx, 0x10000000000"},
		{32, func(c *Code) { c.Mov(BP, BX, "") }, "mov ebp, ebx"},
		{64, func(c *Code) { c.Mov64(R12, DX, "") }, "mov r12, rdx"},
		{64, func(c *Code) { c.Load64(AX, At(R12, 0), "") }, "mov rax, qword ptr [r12]"},
		{64, func(c *Code) { c.Load64(AX, At(R13, 0), "") }, "mov rax, qword ptr [r13]"},
		{64, func(c *Code) { c.Load64(R8, At(SP, 0x20), "") }, "mov r8, qword ptr [rsp+0x20]"},
		{64, func(c *Code) { c.Load64(CX, At(BX, 0x140), "") }, "mov rcx, qword ptr [rbx+0x140]"},
		{32, func(c *Code) { c.Load8(AX, At(SI, 1), "") }, "movzx eax, byte ptr [esi+0x1]"},
		{64, func(c *Code) { c.Load16(AX, At(SI, -2), "") }, "movzx eax, word ptr [rsi-0x2]"},
		{32, func(c *Code) { c.Store(At(DI, 4), DX, "") }, "mov dword ptr [edi+0x4], edx"},
		{64, func(c *Code) { c.StoreI64(At(SP, 0x28), 0, "") }, "mov qword ptr [rsp+0x28], 0x0"},
		{64, func(c *Code) { c.Op64(Cmp, R14, AX, "") }, "cmp r14, rax"},
		{32, func(c *Code) { c.OpI(And, AX, 0xfffffff0, "") }, "and eax, 0xfffffff0"},
		{64, func(c *Code) { c.OpI64(Add, R8, 24, "") }, "add r8, 0x18"},
		{64, func(c *Code) { c.OpMem64(Cmp, AX, At(SI, 8), "") }, "cmp rax, qword ptr [rsi+0x8]"},
		{32, func(c *Code) { c.OpMemI(Cmp, At(BX, 0), 3, "") }, "cmp dword ptr [ebx], 0x3"},
		{64, func(c *Code) { c.Test64(AX, "") }, "test rax, rax"},
		{64, func(c *Code) { c.ShlI64(R9, 12, "") }, "shl r9, 0xc"},
		{64, func(c *Code) { c.Push(R15, "") }, "push r15"},
		{64, func(c *Code) { c.CallMem(At(BX, 0x98), "") }, "call qword ptr [rbx+0x98]"},
		{64, func(c *Code) { c.JmpReg(AX, "") }, "jmp rax"},
	} {
		c := New(0x1000, tt.mode)
		tt.emit(c)
		b, err := c.Link()
		if err != nil {
			t.Errorf("%s: %v", tt.want, err)
			continue
		}
		if got, n := decode(b, tt.mode, 0x1000); got != tt.want || n != len(b) {
			t.Errorf("% x is %q (%d bytes), want %q", b, got, n, tt.want)
		}
	}
}

func TestLabels(t *testing.T) {
	c := New(0x1000, 64)
	c.Lea(AX, Ref("data"), "")
	c.StoreI(Ref("data"), 7, "the field is not at the end of the instruction")
	c.Jmp("data", "")
	c.Label("data")
	c.Addr64("", "data")
	l, err := c.Listing()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(l, "0x1016"); n != 1 { // the jump; the others are shown relative to RIP
		t.Errorf("%d references to data in\n%s", n, l)
	}
	b, _ := c.Link()
	if got := b[len(b)-8]; got != 0x16 {
		t.Errorf("address word ends in %#x", got)
	}

	c = New(0, 32)
	c.Jmp("nowhere", "")
	if _, err := c.Link(); !errors.Is(err, ErrLabel) {
		t.Errorf("missing label: %v", err)
	}
	c = New(0, 32)
	c.Label("a")
	c.Label("a")
	if _, err := c.Link(); !errors.Is(err, ErrLabel) {
		t.Errorf("label set twice: %v", err)
	}
	c = New(0, 32)
	c.Mov64(AX, BX, "")
	if _, err := c.Link(); err == nil {
		t.Error("64-bit operand in mode 32 went through")
	}
}
