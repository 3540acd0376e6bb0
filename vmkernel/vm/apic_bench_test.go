package vm

import (
	"testing"

	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vdev/lapic"
)

func benchAPIC() *localAPIC {
	a := lapic.NewSet(lapic.Config{X2APIC: true}).APIC(0)
	a.SetBase(lapic.DefaultBase|lapic.BaseBSP|lapic.BaseEN|lapic.BaseEXTD, 40)
	return &localAPIC{a: a, phys: 40, cpu: vcpu.New(vcpu.Config{Time: &machineTime{p: &Platform{TSC: func() uint64 { return 1 }}}})}
}

func BenchmarkEOI(b *testing.B) {
	a := benchAPIC()
	for b.Loop() {
		a.WriteMSR(0x80b, 0)
	}
}

func BenchmarkPending(b *testing.B) {
	a := benchAPIC()
	for b.Loop() {
		a.Pending()
	}
}

func BenchmarkDeadline(b *testing.B) {
	a := benchAPIC()
	for b.Loop() {
		a.WriteMSR(lapic.MSRTSCDeadline, 1000)
	}
}
