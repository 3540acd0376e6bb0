package svm

import (
	"errors"
	"fmt"

	"basalt/arch/x86/reg"
)

// Why a processor cannot run guests. Every error of Detect wraps one of them.
var (
	ErrNotAMDV   = errors.New("the processor has no AMD-V (SVM)")
	ErrDisabled  = errors.New("AMD-V is disabled in firmware (VM_CR.SVMDIS), not locked: enable SVM in setup")
	ErrLocked    = errors.New("AMD-V is disabled and locked by firmware (VM_CR.SVMDIS): enable SVM in setup")
	ErrNeedKey   = errors.New("AMD-V is locked behind a key (SVM_KEY) that firmware set")
	ErrNoNPT     = errors.New("the processor has no nested paging (NPT)")
	ErrTooFewASN = errors.New("the processor has no address space identifiers for guests")
)

// CPU is what Detect asks of a processor; tests answer from tables.
type CPU interface {
	CPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
	RDMSR(index reg.MSR) uint64
}

// Caps are the capabilities of SVM on one processor.
type Caps struct {
	Revision uint8  // Fn8000_000A EAX[7:0]
	ASIDs    uint32 // number of address space identifiers, the host's 0 included
	Features uint32 // Fn8000_000A EDX, reg.SVM_*
	Page1G   bool   // 1 GiB pages, for nested tables too
	PhysBits uint8  // width of a host-physical address
	XSAVE    bool
	TSCAUX   bool // RDTSCP and TSC_AUX
	RDPRU    bool
}

// Has says whether all bits of reg.SVM_* are there.
func (c *Caps) Has(feature uint32) bool { return c.Features&feature == feature }

// Detect reads the capabilities (15.4 "Enabling SVM"). The error says in plain
// words why the processor cannot be used; the Caps are valid as far as known.
func Detect(p CPU) (Caps, error) {
	var c Caps
	maxLeaf, _, _, _ := p.CPUID(reg.LeafExtMax, 0)
	if maxLeaf < reg.LeafExtInfo {
		return c, fmt.Errorf("svm: %w", ErrNotAMDV)
	}
	_, _, ecx, edx := p.CPUID(reg.LeafExtInfo, 0)
	c.Page1G = edx&reg.CPUIDExt1_EDX_Page1GB != 0
	c.TSCAUX = edx&reg.CPUIDExt1_EDX_RDTSCP != 0
	if ecx&reg.CPUIDExt1_ECX_SVM == 0 || maxLeaf < reg.LeafSVM {
		return c, fmt.Errorf("svm: %w", ErrNotAMDV)
	}
	eax, ebx, _, _ := p.CPUID(reg.LeafAddrSizes, 0)
	c.PhysBits = uint8(eax)
	c.RDPRU = ebx&reg.CPUIDExt8_EBX_RDPRU != 0
	_, _, ecx, _ = p.CPUID(reg.LeafFeatures, 0)
	c.XSAVE = ecx&reg.CPUID1_ECX_XSAVE != 0
	eax, c.ASIDs, _, c.Features = p.CPUID(reg.LeafSVM, 0)
	c.Revision = uint8(eax)

	// 15.4: SVMDIS set and SVML present tells a lock (with a key) from a
	// plain firmware switch.
	if vmcr := p.RDMSR(reg.VM_CR); vmcr&reg.VM_CR_SVMDIS != 0 {
		switch {
		case !c.Has(reg.SVM_SVML):
			return c, fmt.Errorf("svm: %w", ErrDisabled)
		case vmcr&reg.VM_CR_LOCK != 0:
			return c, fmt.Errorf("svm: %w", ErrLocked)
		default:
			return c, fmt.Errorf("svm: %w", ErrNeedKey)
		}
	}
	if !c.Has(reg.SVM_NP) {
		return c, fmt.Errorf("svm: %w", ErrNoNPT)
	}
	if c.ASIDs < 2 {
		return c, fmt.Errorf("svm: %w", ErrTooFewASN)
	}
	return c, nil
}
