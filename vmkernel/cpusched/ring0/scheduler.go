package ring0

import (
	"fmt"
	"math/bits"
	"sync"
	"time"

	"basalt/vmkernel/cpusched"
	"basalt/vmkernel/cpusched/groups"
	"basalt/vmkernel/host"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/vm"
)

// nodes is room for 1000 machines with two virtual CPUs each. It costs half a KiB
// each.
const nodes = 3072

// Scheduler implements vm.CPUScheduler.
type Scheduler struct {
	mu    sync.Mutex
	s     *cpusched.Scheduler
	hz    uint64
	table *groups.Table            // made when s is
	ids   [linux.Names]cpusched.ID // of a thread's name
	names [nodes]uint32            // of an ID's index
	one   sync.Mutex               // of exclusively
}

// New makes the policy for this host and plugs it into the personality. It is
// called once.
func New() (*Scheduler, error) {
	hz, _ := linux.TSCHz()
	r := &Scheduler{hz: hz}
	// Handlers use both tables and cannot wait for a page: touch all of them.
	for i := range r.ids {
		r.ids[i] = cpusched.None
	}
	for i := range r.names {
		r.names[i] = 0
	}
	cpus := linux.CPUs()
	var err error
	r.s, err = cpusched.New(cpusched.Config{
		CPUs: cpus, Nodes: nodes, TicksPerMS: int64(hz / 1000), Exclusive: r.exclusively,
	})
	if err != nil {
		return nil, err
	}
	for n := range cpus {
		group, err := r.s.AddVM(r.s.Root(), fmt.Sprintf("agent@%d", n), cpusched.Spec{Shares: 4000, Reservation: int64(max(250/cpus, 100))})
		if err != nil {
			return nil, err
		}
		id, err := r.s.AddVCPU(group, 1<<n, now())
		if err != nil {
			return nil, err
		}
		r.name(id, linux.AgentName(n))
	}
	r.table = groups.New(groups.Config{Scheduler: r.s, CPUs: cpus, Now: now, Duration: r.duration, Exclusive: r.exclusively})
	linux.SetPolicy(&linux.Policy{Pick: r.pick, Ran: r.ran, Slept: r.slept, Lent: r.lent, Block: r.block, Wake: r.wake, Kicks: r.s.Kicks})
	return r, nil
}

// exclusively is linux.Exclusively, once at a time.
func (r *Scheduler) exclusively(f func()) {
	r.one.Lock()
	defer r.one.Unlock()
	linux.Exclusively(f)
}

// name ties a thread's name to an ID; None unties it.
func (r *Scheduler) name(id cpusched.ID, name uint32) {
	r.exclusively(func() {
		r.names[r.ids[name].Index()] = 0
		r.ids[name] = id
		r.names[id.Index()] = name
	})
}

func now() int64 { return int64(linux.Ticks()) }

func (r *Scheduler) pick(cpu int, now uint64) (who uint32, slice uint64, bounded bool) {
	d := r.s.Pick(cpu, int64(now))
	if d.VCPU != cpusched.None {
		who = r.names[d.VCPU.Index()]
	}
	return who, uint64(d.Slice), d.Bounded
}

// ran: the processor had nothing else to do meanwhile, so all of the time counts.
func (r *Scheduler) ran(who uint32, now uint64) { r.s.Ran(r.ids[who], int64(now), 1<<62) }
func (r *Scheduler) slept(who uint32, now, d uint64) {
	r.s.Slept(r.ids[who], int64(now), int64(d))
}
func (r *Scheduler) lent(who uint32, now, d uint64) {
	r.s.Lent(r.ids[who], int64(now), int64(d))
}
func (r *Scheduler) block(who uint32, now uint64) { r.s.Block(r.ids[who], int64(now)) }
func (r *Scheduler) wake(who uint32, now uint64)  { r.s.Wake(r.ids[who], int64(now)) }

// Check implements vm.CPUScheduler.
func (r *Scheduler) Check(machine string, cpus int, s host.CPUSpec) error {
	return r.table.Check(machine, s)
}

// Admit implements vm.CPUScheduler.
func (r *Scheduler) Admit(machine string, cpus int, s host.CPUSpec) (vm.Entitlement, error) {
	m, err := r.table.Admit(machine, cpus, s)
	if err != nil {
		return nil, err
	}
	return &entitlement{Machine: m, r: r, threads: make([]uint32, cpus), hurry: make([]bool, cpus)}, nil
}

// Pools are the host's resource pools.
func (r *Scheduler) Pools() host.Pools { return r.table }

// entitlement implements vm.Entitlement.
type entitlement struct {
	*groups.Machine
	r *Scheduler
	// The threads that are bound to them, 0: none yet, and which have to stop. mu.
	threads []uint32
	hurry   []bool
}

// Bind implements vm.Entitlement.
func (e *entitlement) Bind(index int, guest *uint32) (undo func()) {
	name, affinity := linux.Self()
	r := e.r
	r.mu.Lock()
	// An error is impossible: the virtual CPU exists and the thread runs somewhere.
	_ = e.SetAffinity(index, affinity)
	r.name(e.CPUs[index], name)
	e.threads[index] = name
	r.mu.Unlock()
	linux.Govern(guest)
	r.mu.Lock()
	if e.hurry[index] { // it was told so before it was a virtual CPU
		linux.Hurry(name, true)
	}
	r.mu.Unlock()
	return func() {
		linux.Govern(nil)
		r.mu.Lock()
		r.name(cpusched.None, name)
		e.threads[index] = 0
		r.mu.Unlock()
	}
}

// Hurry implements vm.Entitlement.
func (e *entitlement) Hurry(index int, on bool) {
	e.r.mu.Lock()
	defer e.r.mu.Unlock()
	e.hurry[index] = on
	if name := e.threads[index]; name != 0 {
		linux.Hurry(name, on)
	}
}

// duration makes one of ticks.
func (r *Scheduler) duration(ticks int64) time.Duration {
	hi, lo := bits.Mul64(uint64(max(ticks, 0)), 1e9)
	ns, _ := bits.Div64(hi%r.hz, lo, r.hz)
	return time.Duration(ns)
}
