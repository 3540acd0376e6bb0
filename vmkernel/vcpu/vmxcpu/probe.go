package vmxcpu

import (
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu/hostcpu"
)

// processor is the CPU that runs the caller, as vmx.Machine.
type processor struct{}

func (processor) CPUID(leaf, sub uint32) (a, b, c, d uint32) { return cpu.CPUID(leaf, sub) }
func (processor) RDMSR(index uint32) uint64                  { return cpu.RDMSR(index) }

// Probe looks at this processor and fills a Config for NewFactory. Ring 0 only. The
// error says in plain words why there is no VT-x here.
func Probe(h *hostcpu.Host) (Config, error) {
	caps, err := vmx.Detect(processor{})
	if err != nil {
		return Config{}, err
	}
	c := Config{Host: h, Caps: caps}
	if cpu.ReadCR4()&reg.CR4_OSXSAVE != 0 {
		c.XCR0 = cpu.XGETBV(0)
		_, size, _, _ := cpu.CPUID(reg.LeafXSAVE, 0)
		c.XSAVESize = int(size)
	}
	if top, _, _, _ := cpu.CPUID(0, 0); top >= reg.LeafExtended {
		_, b, _, _ := cpu.CPUID(reg.LeafExtended, 0)
		c.INVPCID = b&(1<<10) != 0
	}
	c.Leaks = vmx.DetectLeaks(processor{})
	_, _, _, d := cpu.CPUID(reg.LeafExtInfo, 0)
	c.RDTSCP = d&reg.CPUIDExt1_EDX_RDTSCP != 0
	return c, nil
}
