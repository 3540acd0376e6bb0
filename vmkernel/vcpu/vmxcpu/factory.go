package vmxcpu

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// Errors of the factory.
var (
	ErrNoMemory   = errors.New("vmxcpu: no memory for control structures")
	ErrOtherTable = errors.New("vmxcpu: the nested table is of another engine")
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

// Interrupts choose who delivers the interrupts of a guest's local APIC.
type Interrupts uint8

// The choices.
const (
	// InterruptsAuto is the processor, if it can and passes Try.
	InterruptsAuto Interrupts = iota
	// InterruptsInjected is the run loop, at an entry.
	InterruptsInjected
	// InterruptsVirtual is the processor, if it can, whatever Try would say.
	InterruptsVirtual
)

// Config is what a factory is made of.
type Config struct {
	Host        *hostcpu.Host
	Caps        *vmx.Caps // of vmx.Detect
	Mitigations Mitigations
	// Interrupts says who delivers interrupts to guests.
	Interrupts Interrupts
	// XCR0 is the host's XCR0, 0 without XSAVE; XSAVESize the bytes of the
	// standard format for it (CPUID leaf Dh, EBX).
	XCR0      uint64
	XSAVESize int
	RDTSCP    bool // the processor has RDTSCP, so TSC_AUX
	INVPCID   bool // the processor has INVPCID
	Leaks     vmx.Leaks
	PassMSRs  []uint32
	// Log takes the report of a failed VM entry; nil drops it.
	Log func(report string)
}

// Factory makes VT-x engines. It implements vcpu.Factory and vcpu.Capable.
type Factory struct {
	cfg  Config
	host *hostcpu.Host
	caps *vmx.Caps
	ops  *ops
	cpus []perCPU
	msrs uint64 // physical address of the MSR bitmap that all engines share
	// msrsEOI is the same for x2APIC mode where virtual is set: EOI does not exit.
	msrsEOI uint64
	virtual bool // the processor delivers virtual interrupts
	cure    vmx.Remedies
	aux     bool // guests have TSC_AUX
	ids     atomic.Uint64

	mu    sync.Mutex
	vpids [1 << 16 / 64]uint64 // VPIDs in use; 0 is the host's
}

// perCPU is what the engines keep for one processor. Only that processor touches
// it, with interrupts off, except dead.
type perCPU struct {
	on      bool   // VMXON done
	current uint64 // physical address of the current VMCS, 0 none
	region  uint64 // VMXON region
	owner   uint64 // id of the engine that ran last
	armed   uint64 // deadline given to the host's timer
	host    hostState
	msrs    vmx.MSRs // the host's own
	// dead is a VMCS that Close on another processor left active here; its
	// frame is freed after VMCLEAR.
	dead atomic.Uint64
	_    [64]byte
}

// passable are the registers that the world switch carries: those of the VMCS,
// and those of vmx.MSRs. owned says that writes exit to ownWRMSR, so that the
// engine never has to read the register back.
var passable = map[reg.MSR]struct{ owned bool }{
	reg.SYSENTER_CS:  {false},
	reg.SYSENTER_ESP: {false},
	reg.SYSENTER_EIP: {false},
	reg.PAT:          {false},
	reg.FSBase:       {false},
	reg.GSBase:       {false},
	reg.KernelGSBase: {false},
	reg.STAR:         {true},
	reg.LSTAR:        {true},
	reg.CSTAR:        {true},
	reg.SFMASK:       {true},
}

// NewFactory prepares every processor's frames. Each processor enters VMX
// operation when its first guest runs.
func NewFactory(c Config) (*Factory, error) {
	return newFactory(c, &hardware)
}

func newFactory(c Config, o *ops) (*Factory, error) {
	f := &Factory{cfg: c, host: c.Host, caps: c.Caps, ops: o, cpus: make([]perCPU, c.Host.NumCPU)}
	f.vpids[0] = 1
	if c.Mitigations == MitigateAuto {
		f.cure = c.Leaks.Remedies()
	}
	f.aux = c.RDTSCP && c.Caps.Controls.Proc2&vmx.Proc2EnableRDTSCP != 0
	if f.cfg.XSAVESize < 512 {
		f.cfg.XSAVESize = 512
	}
	for i := range f.cpus {
		pa, ok := c.Host.Alloc(1, 1)
		if !ok {
			return nil, fmt.Errorf("vmxcpu: VMXON region of CPU %d: %w", i, ErrNoMemory)
		}
		f.cpus[i].region = pa
		f.cpus[i].armed = ^uint64(0)
		f.setRevision(pa, c.Caps.Revision)
	}
	var ok bool
	if f.msrs, ok = c.Host.Alloc(1, 1); !ok {
		return nil, fmt.Errorf("vmxcpu: MSR bitmap: %w", ErrNoMemory)
	}
	b := f.msrBitmap(f.msrs)
	b.InterceptAll()
	for _, i := range c.PassMSRs {
		p, ok := passable[reg.MSR(i)]
		if !ok {
			return nil, fmt.Errorf("vmxcpu: MSR %#x cannot be passed to a guest: the engine does not switch it", i)
		}
		b.Pass(i, true, !p.owned)
	}
	if c.Interrupts == InterruptsInjected || !c.Caps.VirtualInterrupts() {
		return f, nil
	}
	if f.msrsEOI, ok = c.Host.Alloc(1, 1); !ok {
		return nil, fmt.Errorf("vmxcpu: MSR bitmap of x2APIC mode: %w", ErrNoMemory)
	}
	eoi := f.msrBitmap(f.msrsEOI)
	*eoi = *b
	eoi.Pass(x2APICEOI, false, true)
	f.virtual = true
	return f, nil
}

// x2APICEOI is the EOI register of x2APIC mode.
const x2APICEOI = 0x80b

// Name implements vcpu.Factory.
func (f *Factory) Name() string { return "vt-x" }

// Caps implements vcpu.Capable.
func (f *Factory) Caps() vcpu.Caps {
	return vcpu.Caps{
		RDTSCP:  f.aux,
		INVPCID: f.cfg.INVPCID && f.caps.Controls.Proc2&vmx.Proc2EnableINVPCID != 0,
		XCR0:    f.cfg.XCR0,

		HasArchCap: f.cfg.Leaks.HasArch,
		ArchCap:    f.cfg.Leaks.GuestArch(),
	}
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

// allocVPID gives a VPID of its own, or 0 where there are none: then the control
// is off and every entry flushes.
func (f *Factory) allocVPID() uint16 {
	if !f.caps.VPID() {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for w, bits := range f.vpids {
		if ^bits == 0 {
			continue
		}
		for b := range 64 {
			if bits>>b&1 == 0 {
				f.vpids[w] |= 1 << b
				return uint16(w*64 + b)
			}
		}
	}
	return 0
}

func (f *Factory) freeVPID(v uint16) {
	if v == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.vpids[v/64] &^= 1 << (v % 64)
}
