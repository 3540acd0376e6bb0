package main

import (
	"errors"
	"fmt"
	"log/slog"

	"basalt/boot/config"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu/ring0"
	"basalt/vmkernel/vcpu/svmcpu"
	"basalt/vmkernel/vcpu/vmxcpu"
)

// engine is what this processor offers to run guests with.
type engine struct {
	name    string
	why     string // there is none
	factory vcpu.Factory
	leaks   []host.Leak
}

// findEngine tries VT-x and AMD-V. A processor has one of them at most; without
// either the host still serves its API and says why nothing can run.
func findEngine(s *config.Settings, log *slog.Logger) engine {
	h := ring0.Host()
	vt, errVT := vmxcpu.Probe(h)
	if errVT == nil {
		vt.PassMSRs = vcpu.PassedMSRs()
		vt.Log = func(report string) { log.Error(report) }
		if !s.Mitigations {
			vt.Mitigations = vmxcpu.MitigateOff
		}
		vt.Interrupts = vmxcpu.Interrupts(s.Interrupts)
		f, err := vmxcpu.NewFactory(vt)
		if err == nil {
			tryInterrupts(f, s.Interrupts, log)
		}
		return chosen(host.EngineVTX, f, err, log)
	}
	amd, errAMD := svmcpu.Probe(h)
	if errAMD == nil {
		amd.PassMSRs = vcpu.PassedMSRs()
		if !s.Mitigations {
			amd.Mitigations = svmcpu.MitigateOff
		}
		f, err := svmcpu.NewFactory(amd)
		return chosen(host.EngineAMDV, f, err, log)
	}
	why := errors.Join(errVT, errAMD)
	log.Warn("virtual machines cannot run", "why", why)
	return engine{name: host.EngineNone, why: fmt.Sprintf("%v; %v", errVT, errAMD)}
}

// tryInterrupts says in the log who delivers guests' interrupts, and why.
func tryInterrupts(f *vmxcpu.Factory, want config.Interrupts, log *slog.Logger) {
	switch err := f.Try(); {
	case err == nil:
		log.Info("interrupts of guests are delivered by the processor")
	case want == config.InterruptsInjected:
		log.Info("interrupts of guests are injected, as set")
	case want == config.InterruptsVirtual && !errors.Is(err, vmxcpu.ErrNotVirtual):
		log.Warn("interrupts of guests are delivered by the processor, as set, and it fails", "why", err)
	default:
		log.Info("interrupts of guests are injected", "why", err)
	}
}

// within is e, unless so little memory is free that no guest would fit beside what
// the host keeps for itself.
func (e engine) within(free, minMiB uint64, log *slog.Logger) engine {
	if e.factory == nil || free >= reserve+minMiB<<20 {
		return e
	}
	why := fmt.Sprintf("too little memory: %d MiB are free, and the host keeps %d MiB for itself", free>>20, reserve>>20)
	log.Warn("virtual machines cannot run", "why", why)
	return engine{name: host.EngineNone, why: why}
}

func chosen(name string, f vcpu.Factory, err error, log *slog.Logger) engine {
	if err != nil {
		log.Warn("virtual machines cannot run", "engine", name, "why", err)
		return engine{name: host.EngineNone, why: err.Error()}
	}
	log.Info("engine " + name)
	e := engine{name: name, factory: f}
	r, ok := f.(vcpu.Reporter)
	if !ok {
		return e
	}
	var closed, open []any
	for _, l := range r.Findings() {
		e.leaks = append(e.leaks, host.Leak(l))
		if l.Open {
			open = append(open, l.Name, l.Text)
		} else {
			closed = append(closed, l.Name, l.Text)
		}
	}
	if len(closed) > 0 {
		log.Info("leaks of the processor: closed", closed...)
	}
	if len(open) > 0 {
		log.Warn("leaks of the processor: open", open...)
	}
	return e
}
