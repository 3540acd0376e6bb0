package main

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"

	sched "basalt/vmkernel/cpusched/ring0"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/hostnet"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vm/ring0"
)

// newVMs makes the table of virtual machines, and of the resource pools that they can be
// in, over the engine and this host's memory for them. guestCPUs is the setting.
func newVMs(e engine, memory *gmem.Budget, heap *heapLimit, guestCPUs uint64, networks *hostnet.Networks, events *host.EventLog, log *slog.Logger) (*vm.Manager, host.Pools, error) {
	set, why := ring0.Choose(guestCPUs, e.factory)
	if why != "" {
		log.Info("processors for virtual machines", "which", set, "why", why)
	}
	cpus, err := sched.New()
	if err != nil {
		return nil, nil, err
	}
	p := ring0.Platform(e.factory, e.why, memory, set, cpus)
	p.Log = func(format string, a ...any) { log.Info(fmt.Sprintf(format, a...)) }
	p.Heap = heap.promise
	p.Switch, p.Forward = networks.Switch, networks.Forward
	p.Event = func(machine, severity, text string) {
		events.Append(host.Event{Severity: host.Severity(severity), Kind: "vm", Object: machine, Message: text})
	}
	return vm.NewManager(p), cpus.Pools(), nil
}

// newBudget is the memory of machines and files: what is free now, less what the kernel
// keeps for itself, which is the heap's limit.
func newBudget() (*gmem.Budget, *heapLimit) {
	heap := newHeapLimit()
	return gmem.NewHostBudget(largeFrames(), largeFrames), heap
}

// largeFrames is what is free beside the reserve, in bytes of whole frames.
func largeFrames() uint64 {
	s := pmem.Read()
	return min(s.Whole, s.Free-min(s.Free, reserve))
}

// heapLimit is how far the host's own memory may grow, in bytes.
type heapLimit struct {
	mu    sync.Mutex
	bytes int64
}

// newHeapLimit makes the reserve real: the collector works harder rather than let the
// heap grow by more than three quarters of it. What the host took of it meanwhile would
// be missing for what was promised to machines, so only the last quarter is out of
// their reach altogether: for the host's own page faults, which end it when they find
// no frame.
func newHeapLimit() *heapLimit {
	pmem.SetReserve(reserve / 4)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	l := &heapLimit{bytes: int64(m.Sys-m.HeapReleased) + reserve*3/4}
	debug.SetMemoryLimit(l.bytes)
	return l
}

// promise moves the limit by what was promised to machines of the host's own memory, or
// was given back. Until the heap has grown into it these frames are counted twice, as
// promised and as gone: the budget then promises less than it could, never more.
func (l *heapLimit) promise(delta int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += delta
	debug.SetMemoryLimit(l.bytes)
}
