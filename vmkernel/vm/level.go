package vm

import (
	"fmt"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
)

// cpuid makes the processors' CPUID. The level was checked when the machine was
// created; the engine or its host may be another one by now.
func cpuid(p *Platform, c host.Config) (*vcpu.CPUID, error) {
	l, err := vcpu.ParseLevel(c.CPULevel)
	if err == nil {
		var id *vcpu.CPUID
		if id, err = vcpu.NewCPUID(p.host(), l, perPackage(c.AllCPUs(), c.NUMANodes), uint32(p.TSCKHz), busKHz); err == nil {
			if c.Hardware >= 2 {
				id.ShowTLBFlush()
			}
			if c.XAPICOnly {
				id.WithoutX2APIC()
			}
			id.Spread(c.APICIDShift())
			return id, nil
		}
	}
	return nil, &host.ConfigError{Field: "cpuLevel", Err: err}
}

// checkLevel says whether this host can carry the level of c. A host without an
// engine can hold a machine of any level that there is.
func (t *Manager) checkLevel(c host.Config) error {
	l, err := vcpu.ParseLevel(c.CPULevel)
	if err == nil && t.p.Factory != nil {
		err = l.Check(t.p.host())
	}
	if err != nil {
		return &host.ConfigError{Field: "cpuLevel", Err: err}
	}
	n, at := l.PhysBits(), spaceOf(c, nil)
	if n != 0 && at.high > 0 && fourGiB+at.high > 1<<n {
		return &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf(
			"%d, a processor of CPU level %s has physical addresses of %d bits: %d at the most", c.MemoryMiB, l, n, (1<<n-fourGiB+lowLimit)>>20)}
	}
	if n != 0 {
		return at.fits(n)
	}
	return nil
}

// CPULevels are the names of the CPU levels that this host can carry; nil on a host
// without an engine.
func (t *Manager) CPULevels() []string {
	if t.p.Factory == nil {
		return nil
	}
	var out []string
	for _, l := range vcpu.SupportedLevels(t.p.host()) {
		out = append(out, l.String())
	}
	return out
}
