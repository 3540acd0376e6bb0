package vm

import (
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vsock"
	"basalt/vmkernel/vswitch"
)

// Platform is what machines need from the host. All fields but Heap, Pin, CPUs,
// NewBell, Switch, Forward, VsockServices, Stolen, Log and Event are needed.
type Platform struct {
	Factory vcpu.Factory // nil: this host cannot run machines, Reason says why
	Reason  string
	Frames  gmem.Frames
	Budget  *gmem.Budget
	// Heap takes how many bytes more (or fewer) of the host's own memory are promised to
	// machines from Budget; nil: nobody wants to know.
	Heap   func(delta int64)
	CPUID  vcpu.HostCPUID
	TSC    func() uint64 // W1
	TSCKHz uint64
	// Pin ties the calling thread to a processor for virtual CPU index of a
	// machine and returns what undoes it.
	Pin func(machine string, index int) (undo func())
	// CPUs shares the host's processors among virtual CPUs; nil: they run as the
	// host's threads do.
	CPUs CPUScheduler
	// NewBell makes the doorbell of a virtio queue, which a run loop can ring if it is
	// a virtio.FastBell; name is for messages.
	NewBell func(name string) (virtio.Bell, error)
	// Switch gives the switch of a network by its name. The error says which there
	// are. Nil: there are no networks.
	Switch func(network string) (*vswitch.Switch, error)
	// Forward opens port forwards to the guest that has an adapter with this address
	// on the NAT network; stop closes them. Nil: there are none.
	Forward func(mac string, f []host.Forward) (stop func(), err error)
	// VsockServices are what guests with a vsock device reach on the host, by port.
	VsockServices map[uint32]vsock.Service
	// Stolen is the time in ns that a virtual CPU's thread waited for a processor,
	// where there is no CPUScheduler to ask; nil: it is not known.
	Stolen func(machine string, index int) uint64
	// Log takes a line for the kernel's log.
	Log func(format string, a ...any)
	// Event takes what management should see in the host's event log.
	Event func(machine, severity, text string)
}

// CPUScheduler shares the host's processors among machines. cpus are all that a machine
// can have in its life, each with a thread; the shares are given.
type CPUScheduler interface {
	// Check says whether Admit would refuse now.
	Check(machine string, cpus int, s host.CPUSpec) error
	// Admit makes room for a machine that starts; its name is for messages. Errors:
	// host.ErrNoCPU, whose text says what was asked for and what is promised to whom,
	// host.ErrTooMany, host.ConfigError.
	Admit(machine string, cpus int, s host.CPUSpec) (Entitlement, error)
}

// Entitlement is one running machine's part of the host's processors.
type Entitlement interface {
	// Bind is called by the thread that is going to run virtual CPU index, and
	// undo by the same before it ends. guest says when the thread belongs to the
	// guest (vcpu.Guarded); nil: never.
	Bind(index int, guest *uint32) (undo func())
	// Set changes the entitlement while the machine runs. Errors are those of Admit; then
	// nothing changed.
	Set(s host.CPUSpec) error
	// Hurry takes virtual CPU index out of the competition while it has to stop,
	// however little it is entitled to, and with false puts it back.
	Hurry(index int, on bool)
	// Times is where the time of virtual CPU index went.
	Times(index int) host.CPUStats
	// Stolen is for how many ns virtual CPU index wanted to run and could not. It is
	// called by the thread that runs it, or while it does not run, and allocates
	// nothing.
	Stolen(index int) uint64
	// Release gives all of it back. No thread is bound any more.
	Release()
}

func (p *Platform) log(format string, a ...any) {
	if p.Log != nil {
		p.Log(format, a...)
	}
}

func (p *Platform) event(machine, severity, text string) {
	if p.Event != nil {
		p.Event(machine, severity, text)
	}
}

// host is what CPU levels are measured against.
func (p *Platform) host() vcpu.Host {
	h := vcpu.Host{CPUID: p.CPUID}
	if f, ok := p.Factory.(vcpu.Capable); ok {
		h.Caps = f.Caps()
	}
	return h
}
