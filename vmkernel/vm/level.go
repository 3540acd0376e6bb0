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
		if id, err = vcpu.NewCPUID(p.host(), l, c.AllCPUs(), uint32(p.TSCKHz), busKHz); err == nil {
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
	_, high, _ := memory(uint64(c.MemoryMiB) << 20)
	if n := l.PhysBits(); n != 0 && high > 0 && fourGiB+high > 1<<n {
		return &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf(
			"%d, a processor of CPU level %s has physical addresses of %d bits: %d at the most", c.MemoryMiB, l, n, (1<<n-fourGiB+lowLimit)>>20)}
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
