package svmcpu

import (
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/svm"
)

// ops are the privileged instructions of the run loop. Tests put in their own.
type ops struct {
	enter          func(gpr *[16]uint64, f *svm.Frame)
	saveHost       func(pa uint64)
	takeInterrupts func()
	loadExtended   func(x *svm.ExtendedState, f *svm.Frame)
	saveExtended   func(x *svm.ExtendedState, f *svm.Frame)
	hostXCR0       func(x *svm.ExtendedState)
	guestXCR0      func(x *svm.ExtendedState)
	loadDR         func(dr *[4]uint64)
	saveDR         func(dr *[4]uint64)
	rdmsr          func(index uint32) uint64
	wrmsr          func(index uint32, value uint64)
	cli, sti       func()
	fillRSB        func()
}

var hardware = ops{
	enter:          svm.Enter,
	saveHost:       svm.SaveHost,
	takeInterrupts: svm.TakeInterrupts,
	loadExtended:   svm.LoadExtended,
	saveExtended:   svm.SaveExtended,
	hostXCR0:       svm.HostXCR0,
	guestXCR0:      svm.GuestXCR0,
	loadDR:         svm.LoadDR,
	saveDR:         svm.SaveDR,
	rdmsr:          cpu.RDMSR,
	wrmsr:          cpu.WRMSR,
	cli:            cpu.CLI,
	sti:            cpu.STI,
	fillRSB:        svm.FillRSB,
}
