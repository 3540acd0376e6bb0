package svmcpu

import (
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu/hostcpu"
)

// processor is the CPU that runs the caller, as svm.CPU.
type processor struct{}

func (processor) CPUID(leaf, sub uint32) (a, b, c, d uint32) { return cpu.CPUID(leaf, sub) }
func (processor) RDMSR(r reg.MSR) uint64                     { return cpu.RDMSR(uint32(r)) }

// Probe looks at this processor and fills a Config for NewFactory. Ring 0 only. The
// error says in plain words why there is no AMD-V here.
func Probe(h *hostcpu.Host) (Config, error) {
	caps, err := svm.Detect(processor{})
	if err != nil {
		return Config{}, err
	}
	c := Config{Host: h, Caps: caps, Leaks: svm.DetectLeaks(processor{})}
	if caps.XSAVE && cpu.ReadCR4()&reg.CR4_OSXSAVE != 0 {
		c.XCR0 = cpu.XGETBV(0)
		_, size, _, _ := cpu.CPUID(reg.LeafXSAVE, 0)
		c.XSAVESize = int(size)
	}
	_, b, _, _ := cpu.CPUID(reg.LeafExtended, 0)
	c.INVPCID = b&(1<<10) != 0
	return c, nil
}
