// Package ring0 answers hostcpu.Host with the personality and the frame allocator:
// the real host of the engines. Under an ordinary operating system it links but
// must not be called.
//
// World: the functions behind hostcpu.Host's W1 fields are W1, the rest W2.
package ring0

import (
	"basalt/arch/x86/cpu"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vcpu/hostcpu"
)

// Host is this machine.
func Host() *hostcpu.Host {
	return &hostcpu.Host{
		NumCPU:      linux.CPUs(),
		CPU:         linux.CPU,
		RDTSC:       cpu.RDTSC,
		SetDeadline: linux.SetDeadline,
		Kick:        linux.KickCPU,
		Park:        park,
		Unpark:      linux.Unpark,
		EnterGuest:  linux.EnterGuest,
		Contended:   linux.Contended,
		Yield:       linux.Yield,
		Alloc: func(n, align int) (uint64, bool) {
			return pmem.Alloc(n, uint64(align)*pmem.Frame, 0)
		},
		Free: pmem.Free,
		Virt: pmem.Virt,
	}
}

func park(word *uint32, val uint32, deadline uint64) { linux.Park(word, val, deadline) }
