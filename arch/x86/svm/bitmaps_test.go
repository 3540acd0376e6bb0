package svm

import (
	"testing"

	"basalt/arch/x86/reg"
)

func TestMSRPMPositions(t *testing.T) {
	// 15.11: vectors at 000h, 800h and 1000h, four registers a byte.
	for _, c := range []struct {
		msr  reg.MSR
		byte int
		mask byte
	}{
		{reg.SYSENTER_CS, 0x174 / 4, 0x03},
		{reg.SYSENTER_EIP, 0x176 / 4, 0x30},
		{reg.STAR, 0x800 + 0x81/4, 0x0C},
		{reg.KernelGSBase, 0x800 + 0x102/4, 0x30},
		{reg.VM_CR, 0x1000 + 0x114/4, 0x03},
	} {
		mem := make([]byte, MSRPMSize)
		m := NewMSRPM(mem)
		if !m.Pass(c.msr, true, true) {
			t.Fatalf("%#x is not covered", c.msr)
		}
		for i, b := range mem {
			want := byte(0xFF)
			if i == c.byte {
				want &^= c.mask
			}
			if b != want {
				t.Errorf("MSR %#x: byte %#x is %#x, want %#x", c.msr, i, b, want)
			}
		}
	}
}

func TestMSRPMKeepsTheRestIntercepted(t *testing.T) {
	m := NewMSRPM(make([]byte, MSRPMSize))
	if m.Pass(0x40000000, true, true) {
		t.Error("a register outside the vectors was passed")
	}
	m.Pass(reg.FSBase, true, false)
	for _, c := range []struct {
		r           reg.MSR
		read, write bool
	}{{reg.FSBase, false, true}, {reg.GSBase, true, true}, {reg.EFER, true, true}, {0x40000000, true, true}} {
		if r, w := m.Intercepted(c.r); r != c.read || w != c.write {
			t.Errorf("MSR %#x: read %v write %v", c.r, r, w)
		}
	}
}

func TestIOPM(t *testing.T) {
	mem := make([]byte, IOPMSize)
	m := NewIOPM(mem)
	m.Pass(0x80, 0x80)
	m.Pass(0xFFFE, 0xFFFF)
	for _, c := range []struct {
		port uint16
		want bool
	}{{0x7F, true}, {0x80, false}, {0x81, true}, {0xFFFD, true}, {0xFFFF, false}} {
		if m.Intercepted(c.port) != c.want {
			t.Errorf("port %#x: intercepted %v", c.port, !c.want)
		}
	}
	if mem[0x2000] != 0xFF {
		t.Error("accesses past port FFFFh are not caught")
	}
}
