package main

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	sched "basalt/vmkernel/cpusched/ring0"
	"basalt/vmkernel/host"
	"basalt/vmkernel/hostnet"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vm/ring0"
)

// newVMs makes the table of virtual machines over the engine and this host's free
// memory, less what the kernel keeps for itself. guestCPUs is the setting.
func newVMs(e engine, guestCPUs uint64, networks *hostnet.Networks, events *host.EventLog, log *slog.Logger) (*vm.Manager, error) {
	guests := uint64(0)
	if free := pmem.Read().Free; free > reserve {
		guests = free - reserve
	}
	keepReserve()
	set, why := ring0.Choose(guestCPUs, e.factory)
	if why != "" {
		log.Info("processors for virtual machines", "which", set, "why", why)
	}
	cpus, err := sched.New()
	if err != nil {
		return nil, err
	}
	p := ring0.Platform(e.factory, e.why, guests, set, cpus)
	p.Log = func(format string, a ...any) { log.Info(fmt.Sprintf(format, a...)) }
	p.Switch, p.Forward = networks.Switch, networks.Forward
	p.Event = func(machine, severity, text string) {
		events.Append(host.Event{Severity: host.Severity(severity), Kind: "vm", Object: machine, Message: text})
	}
	return vm.NewManager(p), nil
}

// keepReserve makes the reserve real: nothing but the host's own page faults takes
// it, and the collector works harder rather than let the heap grow past it. A page
// fault without a frame would end the host.
func keepReserve() {
	pmem.SetReserve(reserve)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased) + reserve*3/4)
}
