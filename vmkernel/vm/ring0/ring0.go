// Package ring0 joins virtual machines and this host: frames of pmem, the
// processor's CPUID and time-stamp counter, and pinned threads. Only the kernel's
// main imports it. World W2; TSC is W1.
package ring0

import (
	"runtime"

	"basalt/arch/x86/cpu"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vm"
)

// Frames is gmem.Frames over pmem.
type Frames struct{}

// Alloc2M implements gmem.Frames.
func (Frames) Alloc2M() (uint64, bool) { return pmem.AllocLarge() }

// Free2M implements gmem.Frames.
func (Frames) Free2M(hpa uint64) { pmem.Free(hpa, pmem.Large/pmem.Frame) }

// FreeRun implements gmem.Runs.
func (Frames) FreeRun() (uint64, bool) { return pmem.FreeHuge() }

// Alloc2MAt implements gmem.Runs.
func (Frames) Alloc2MAt(hpa uint64) bool { return pmem.AllocLargeAt(hpa) }

// Bytes implements gmem.Frames.
func (Frames) Bytes(hpa uint64, n int) []byte { return pmem.Bytes(hpa, n) }

func cpuid(l, s uint32) (a, b, c, d uint32) { return cpu.CPUID(l, s) }
func tsc() uint64                           { return cpu.RDTSC() }

// Platform is what this host gives to machines. factory is nil when it cannot
// run any, and reason says why; memory is what they are promised theirs from; set
// are the processors that run them, sharing them by the policy of cpus.
//
// The runtime gets one processor of its own (P) more than the host has: a virtual CPU
// keeps one when it enters its guest from ordinary Go, until the runtime's monitor
// takes it away, 20 microseconds later or more. On a host with one processor nothing
// else would run meanwhile, the goroutine of a doorbell that was just rung first of all.
func Platform(factory vcpu.Factory, reason string, memory *gmem.Budget, set Processors, cpus vm.CPUScheduler) *vm.Platform {
	runtime.GOMAXPROCS(linux.CPUs() + 1)
	hz, _ := linux.TSCHz()
	pin := set.pinner()
	if set.float(factory, linux.TSCSkew) {
		pin = set.together()
	}
	return &vm.Platform{
		Factory: factory,
		Reason:  reason,
		Frames:  Frames{},
		Budget:  memory,
		CPUID:   cpuid,
		TSC:     tsc,
		TSCKHz:  hz / 1000,
		Pin:     pin,
		CPUs:    cpus,
		NewBell: newBell,
	}
}
