package testkernel

import (
	"errors"
	"fmt"

	"basalt/vmkernel/vcpu"
	engine "basalt/vmkernel/vcpu/hostcpu/ring0"
	"basalt/vmkernel/vcpu/svmcpu"
	"basalt/vmkernel/vcpu/vmxcpu"
)

// Factory is the engine that this processor has. Without mitigations it leaves the
// processor's leaks open; what VT-x says of a failed entry goes to the console.
func Factory(mitigations bool) (vcpu.Factory, error) {
	h := engine.Host()
	vt, errVT := vmxcpu.Probe(h)
	if errVT == nil {
		vt.PassMSRs = vcpu.PassedMSRs()
		vt.Log = func(report string) { fmt.Println(report) }
		if !mitigations {
			vt.Mitigations = vmxcpu.MitigateOff
		}
		return vmxcpu.NewFactory(vt)
	}
	amd, errAMD := svmcpu.Probe(h)
	if errAMD != nil {
		return nil, errors.Join(errVT, errAMD)
	}
	amd.PassMSRs = vcpu.PassedMSRs()
	if !mitigations {
		amd.Mitigations = svmcpu.MitigateOff
	}
	return svmcpu.NewFactory(amd)
}
