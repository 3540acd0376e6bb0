package svmcpu

import (
	"errors"
	"fmt"
	"sync/atomic"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// Errors of the factory.
var (
	ErrNoMemory   = errors.New("svmcpu: no memory for control structures")
	ErrOtherTable = errors.New("svmcpu: the nested table is of another engine")
)

// Mitigations choose what is done against speculation across the guest's border.
type Mitigations uint8

// The choices.
const (
	// MitigateAuto does what the processor needs and can, see doc.go.
	MitigateAuto Mitigations = iota
	// MitigateOff does nothing: only for machines with one tenant.
	MitigateOff
)

// Config is what a factory is made of.
type Config struct {
	Host        *hostcpu.Host
	Caps        svm.Caps
	Leaks       svm.Leaks
	Mitigations Mitigations
	// XCR0 is the host's XCR0, 0 without XSAVE; XSAVESize the bytes of the
	// standard format for it (CPUID leaf Dh, EBX).
	XCR0      uint64
	XSAVESize int
	INVPCID   bool // the processor has INVPCID
	PassMSRs  []uint32
}

// Factory makes AMD-V engines. It implements vcpu.Factory and vcpu.Capable.
type Factory struct {
	cfg   Config
	host  *hostcpu.Host
	ops   *ops
	cpus  []perCPU
	iopm  uint64
	msrpm uint64
	nrips bool
	clean uint32 // clean bits to claim, 0 when the processor has none
	ids   atomic.Uint64

	cure svm.Remedies
}

// perCPU is what the engines keep for one processor. Only that processor touches
// it, with interrupts off.
type perCPU struct {
	on     bool   // SVM is enabled here
	hsave  uint64 // frame for VM_HSAVE_PA
	owner  uint64 // id of the engine that ran last
	armed  uint64 // deadline given to the host's timer
	tscAux uint64 // what TSC_AUX holds
	asids  asidSpace
	_      [64]byte
}

// NewFactory prepares every processor's frames. Each processor is switched to SVM
// when its first guest runs.
func NewFactory(c Config) (*Factory, error) {
	f := &Factory{cfg: c, host: c.Host, ops: &hardware, nrips: c.Caps.Has(reg.SVM_NRIPS)}
	if c.Caps.Has(reg.SVM_VmcbClean) {
		f.clean = ^uint32(0)
	}
	if c.Mitigations == MitigateAuto {
		f.cure = c.Leaks.Remedies()
	}
	if f.cfg.XSAVESize < 512 {
		f.cfg.XSAVESize = 512
	}
	f.cpus = make([]perCPU, c.Host.NumCPU)
	for i := range f.cpus {
		pa, ok := c.Host.Alloc(1, 1)
		if !ok {
			return nil, fmt.Errorf("svmcpu: save area of CPU %d: %w", i, ErrNoMemory)
		}
		f.cpus[i].hsave = pa
		f.cpus[i].tscAux = ^uint64(0)
		f.cpus[i].asids = asidSpace{max: c.Caps.ASIDs, flushByASID: c.Caps.Has(reg.SVM_FlushByAsid)}
	}
	var ok1, ok2 bool
	f.iopm, ok1 = c.Host.Alloc(svm.IOPMSize>>12, 1)
	f.msrpm, ok2 = c.Host.Alloc(svm.MSRPMSize>>12, 1)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("svmcpu: permission maps: %w", ErrNoMemory)
	}
	svm.NewIOPM(f.bytes(f.iopm, svm.IOPMSize))
	m := svm.NewMSRPM(f.bytes(f.msrpm, svm.MSRPMSize))
	for _, r := range svm.PassedMSRs {
		m.Pass(r, true, true)
	}
	for _, r := range c.PassMSRs {
		if !passable(reg.MSR(r)) {
			return nil, fmt.Errorf("svmcpu: MSR %#x cannot be passed to a guest: the engine does not switch it", r)
		}
	}
	return f, nil
}

// passable says whether the world switch carries a register.
func passable(r reg.MSR) bool {
	for _, p := range svm.PassedMSRs {
		if p == r {
			return true
		}
	}
	return false
}

// Name implements vcpu.Factory.
func (f *Factory) Name() string { return "amd-v" }

// Caps implements vcpu.Capable.
func (f *Factory) Caps() vcpu.Caps {
	return vcpu.Caps{RDTSCP: f.cfg.Caps.TSCAUX, INVPCID: f.cfg.INVPCID, XCR0: f.cfg.XCR0}
}

// Findings implements vcpu.Reporter.
func (f *Factory) Findings() []vcpu.Finding {
	if f.cfg.Mitigations != MitigateAuto {
		return []vcpu.Finding{{Name: "all", Open: true, Text: "mitigations=off: nothing is done"}}
	}
	out := make([]vcpu.Finding, len(f.cure.Report))
	for i, r := range f.cure.Report {
		out[i] = vcpu.Finding(r)
	}
	return out
}
