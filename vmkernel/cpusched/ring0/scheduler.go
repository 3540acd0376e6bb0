package ring0

import (
	"fmt"
	"math/bits"
	"sync"
	"time"

	"basalt/vmkernel/cpusched"
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
	times cpusched.Times           // of Times, in a page that was written before
	ids   [linux.Names]cpusched.ID // of a thread's name
	names [nodes]uint32            // of an ID's index

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
		CPUs: cpus, Nodes: nodes, TicksPerMS: int64(hz / 1000), Exclusive: linux.Exclusively,
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
	linux.SetPolicy(&linux.Policy{Pick: r.pick, Ran: r.ran, Slept: r.slept, Block: r.block, Wake: r.wake, Kicks: r.s.Kicks})
	return r, nil
}

// name ties a thread's name to an ID; None unties it.
func (r *Scheduler) name(id cpusched.ID, name uint32) {
	linux.Exclusively(func() {
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
func (r *Scheduler) block(who uint32, now uint64) { r.s.Block(r.ids[who], int64(now)) }
func (r *Scheduler) wake(who uint32, now uint64)  { r.s.Wake(r.ids[who], int64(now)) }

// Check implements vm.CPUScheduler.
func (r *Scheduler) Check(machine string, cpus int, s host.CPUSpec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := r.s.AddVM(r.s.Root(), machine, spec(s))
	if err != nil {
		return err
	}
	return r.s.Remove(id, now())
}

// Admit implements vm.CPUScheduler.
func (r *Scheduler) Admit(machine string, cpus int, s host.CPUSpec) (vm.Entitlement, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := r.s.AddVM(r.s.Root(), machine, spec(s))
	if err != nil {
		return nil, err
	}
	e := &entitlement{r: r, vm: id}
	for range cpus {
		v, err := r.s.AddVCPU(id, 0, now())
		if err != nil {
			e.release()
			return nil, err
		}
		e.cpus = append(e.cpus, v)
		e.threads, e.hurry = append(e.threads, 0), append(e.hurry, false)
	}
	return e, nil
}

func spec(s host.CPUSpec) cpusched.Spec {
	return cpusched.Spec{Shares: int64(s.Shares), Reservation: int64(s.Reservation), Limit: int64(s.Limit)}
}

// entitlement implements vm.Entitlement.
type entitlement struct {
	r    *Scheduler
	vm   cpusched.ID
	cpus []cpusched.ID
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
	_ = r.s.SetAffinity(e.cpus[index], now(), affinity)
	r.name(e.cpus[index], name)
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

// Times implements vm.Entitlement.
func (e *entitlement) Times(index int) host.CPUStats {
	r := e.r
	r.mu.Lock()
	defer r.mu.Unlock()
	v, at := e.cpus[index], now()
	linux.Exclusively(func() { r.times, _ = r.s.Times(v, at) })
	t := &r.times
	return host.CPUStats{Sched: true, Run: r.duration(t.Run), Ready: r.duration(t.Ready), Wait: r.duration(t.Wait), CoStop: r.duration(t.CoStop)}
}

// Stolen implements vm.Entitlement.
func (e *entitlement) Stolen(index int) uint64 {
	return uint64(e.r.duration(e.r.s.Stolen(e.cpus[index])))
}

// duration makes one of ticks.
func (r *Scheduler) duration(ticks int64) time.Duration {
	hi, lo := bits.Mul64(uint64(max(ticks, 0)), 1e9)
	ns, _ := bits.Div64(hi%r.hz, lo, r.hz)
	return time.Duration(ns)
}

// Release implements vm.Entitlement.
func (e *entitlement) Release() {
	e.r.mu.Lock()
	defer e.r.mu.Unlock()
	e.release()
}

func (e *entitlement) release() {
	for _, id := range append(e.cpus, e.vm) {
		// An error is impossible: they exist, and the machine comes last.
		_ = e.r.s.Remove(id, now())
	}
}
