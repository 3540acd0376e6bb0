package svm

import (
	"errors"
	"testing"

	"basalt/arch/x86/reg"
)

type tableCPU struct {
	leaves map[uint32][4]uint32
	vmcr   uint64
}

func (c tableCPU) CPUID(leaf, _ uint32) (eax, ebx, ecx, edx uint32) {
	r := c.leaves[leaf]
	return r[0], r[1], r[2], r[3]
}

func (c tableCPU) RDMSR(i reg.MSR) uint64 {
	if i != reg.VM_CR {
		panic("unexpected MSR")
	}
	return c.vmcr
}

// qemuEPYC is what QEMU 7.2 shows with -cpu EPYC,+svm,+npt.
func qemuEPYC() tableCPU {
	return tableCPU{leaves: map[uint32][4]uint32{
		0x80000000: {0x8000001E, 0, 0, 0},
		0x80000001: {0, 0, reg.CPUIDExt1_ECX_SVM, reg.CPUIDExt1_EDX_Page1GB | reg.CPUIDExt1_EDX_RDTSCP},
		0x80000008: {0x3028, reg.CPUIDExt8_EBX_IBPB, 0, 0},
		0x8000000A: {1, 16, 0, reg.SVM_NP},
		1:          {0, 0, reg.CPUID1_ECX_XSAVE, 0},
	}}
}

func TestDetectNamesTheReason(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*tableCPU)
		want error
	}{
		{"complete", func(*tableCPU) {}, nil},
		{"no extended leaves", func(c *tableCPU) { c.leaves[0x80000000] = [4]uint32{} }, ErrNotAMDV},
		{"no SVM bit", func(c *tableCPU) { c.leaves[0x80000001] = [4]uint32{} }, ErrNotAMDV},
		{"SVM bit without its leaf", func(c *tableCPU) { c.leaves[0x80000000] = [4]uint32{0x80000008} }, ErrNotAMDV},
		{"off in firmware", func(c *tableCPU) { c.vmcr = reg.VM_CR_SVMDIS }, ErrDisabled},
		{"off and locked", func(c *tableCPU) {
			c.leaves[0x8000000A] = [4]uint32{1, 16, 0, reg.SVM_NP | reg.SVM_SVML}
			c.vmcr = reg.VM_CR_SVMDIS | reg.VM_CR_LOCK
		}, ErrLocked},
		{"off, key", func(c *tableCPU) {
			c.leaves[0x8000000A] = [4]uint32{1, 16, 0, reg.SVM_NP | reg.SVM_SVML}
			c.vmcr = reg.VM_CR_SVMDIS
		}, ErrNeedKey},
		{"no nested paging", func(c *tableCPU) { c.leaves[0x8000000A] = [4]uint32{1, 16, 0, reg.SVM_NRIPS} }, ErrNoNPT},
		{"no ASIDs", func(c *tableCPU) { c.leaves[0x8000000A] = [4]uint32{1, 1, 0, reg.SVM_NP} }, ErrTooFewASN},
	} {
		cpu := qemuEPYC()
		c.edit(&cpu)
		if _, err := Detect(cpu); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestDetectFeatures(t *testing.T) {
	c, err := Detect(qemuEPYC())
	if err != nil {
		t.Fatal(err)
	}
	want := Caps{Revision: 1, ASIDs: 16, Features: reg.SVM_NP, Page1G: true, PhysBits: 40, XSAVE: true, TSCAUX: true}
	if c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
}
