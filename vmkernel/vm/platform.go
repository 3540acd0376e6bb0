package vm

import (
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vswitch"
)

// Platform is what machines need from the host. All fields but Pin, NewBell, Switch,
// Forward, Stolen, Log and Event are needed.
type Platform struct {
	Factory vcpu.Factory // nil: this host cannot run machines, Reason says why
	Reason  string
	Frames  gmem.Frames
	Budget  *gmem.Budget
	CPUID   vcpu.HostCPUID
	TSC     func() uint64 // W1
	TSCKHz  uint64
	// Pin ties the calling thread to a processor for virtual CPU index of a
	// machine and returns what undoes it.
	Pin func(machine string, index int) (undo func())
	// NewBell makes the doorbell of a virtio queue, which a run loop can ring if it is
	// a virtio.FastBell; name is for messages.
	NewBell func(name string) (virtio.Bell, error)
	// Switch gives the switch of a network by its name. The error says which there
	// are. Nil: there are no networks.
	Switch func(network string) (*vswitch.Switch, error)
	// Forward opens port forwards to the guest that has an adapter with this address
	// on the NAT network; stop closes them. Nil: there are none.
	Forward func(mac string, f []host.Forward) (stop func(), err error)
	// Stolen is the time in ns that a virtual CPU's thread waited for a processor.
	Stolen func(machine string, index int) uint64
	// Log takes a line for the kernel's log.
	Log func(format string, a ...any)
	// Event takes what management should see in the host's event log.
	Event func(machine, severity, text string)
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
