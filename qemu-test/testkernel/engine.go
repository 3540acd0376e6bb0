package testkernel

import (
	"errors"
	"fmt"

	"basalt/boot/config"
	"basalt/vmkernel/vcpu"
	engine "basalt/vmkernel/vcpu/hostcpu/ring0"
	"basalt/vmkernel/vcpu/svmcpu"
	"basalt/vmkernel/vcpu/vmxcpu"
)

// Factory is the engine that this processor has, with the host's settings s. What VT-x
// says of a failed entry goes to the console.
func Factory(s *config.Settings) (vcpu.Factory, error) {
	h := engine.Host()
	vt, errVT := vmxcpu.Probe(h)
	if errVT == nil {
		vt.PassMSRs = vcpu.PassedMSRs()
		vt.Log = func(report string) { fmt.Println(report) }
		if !s.Mitigations {
			vt.Mitigations = vmxcpu.MitigateOff
		}
		vt.Interrupts = vmxcpu.Interrupts(s.Interrupts)
		f, err := vmxcpu.NewFactory(vt)
		if err != nil {
			return nil, err
		}
		if err := f.Try(); err != nil {
			fmt.Println("interrupts:", err)
		}
		return f, nil
	}
	amd, errAMD := svmcpu.Probe(h)
	if errAMD != nil {
		return nil, errors.Join(errVT, errAMD)
	}
	amd.PassMSRs = vcpu.PassedMSRs()
	if !s.Mitigations {
		amd.Mitigations = svmcpu.MitigateOff
	}
	return svmcpu.NewFactory(amd)
}
