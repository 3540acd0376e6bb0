package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"basalt/boot/config"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/testkernel"
	sched "basalt/vmkernel/cpusched/ring0"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vm/ring0"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("fair: FAIL:", err)
		os.Exit(1)
	}
	fmt.Println("fair: PASS")
	os.Exit(0)
}

func run() error {
	f, err := testkernel.Factory(config.Parse(nil, linux.Facts().CommandLine()))
	if err != nil {
		return err
	}
	set, _ := ring0.Choose(0, f)
	cpus, err := sched.New()
	if err != nil {
		return err
	}
	p := ring0.Platform(f, "", gmem.NewBudget(pmem.Read().Free-64<<20), set, cpus)
	b := &bench{m: vm.NewManager(p), cpus: set.Count()}
	fmt.Printf("fair: engine %s, guests on processors %v of %d\n", f.Name(), set, linux.CPUs())
	agent := startAgent()
	for _, test := range []func() error{b.shares, b.exits, b.siblings, b.reservation, b.limit, b.stops, b.refused} {
		if err := test(); err != nil {
			return err
		}
	}
	return agent.end()
}

// agentWait bounds a step of the agent's. The slowest processor that this runs on does
// 20 million instructions a second, and a collection of garbage on it takes most of one.
const agentWait = 2 * time.Second

// agent stands for the API.
type agent struct {
	steps atomic.Int64
	worst atomic.Int64
	quit  chan struct{}
	gone  chan struct{}
}

func startAgent() *agent {
	a := &agent{quit: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(a.gone)
		t := time.NewTicker(20 * time.Millisecond)
		defer t.Stop()
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-a.quit:
				return
			case <-t.C:
			}
			if a.steps.Add(1)%50 == 0 {
				runtime.GC() // stops the world: no guest may keep it
			}
			a.worst.Store(max(a.worst.Load(), int64(time.Since(last))))
		}
	}()
	return a
}

func (a *agent) end() error {
	close(a.quit)
	<-a.gone
	worst := time.Duration(a.worst.Load())
	fmt.Printf("fair: the agent made %d steps, the longest took %v\n", a.steps.Load(), worst.Round(time.Millisecond))
	if worst > agentWait {
		return fmt.Errorf("the agent waited %v", worst)
	}
	return nil
}

type bench struct {
	m    *vm.Manager
	cpus int // that run guests
	n    int
}

// start runs a guest.
func (b *bench) start(guest string, cpus int, s host.CPUSpec) (host.VM, error) {
	b.n++
	v, err := b.m.Create(host.Config{ID: fmt.Sprintf("%s-%d", guest, b.n), CPUs: cpus, MemoryMiB: 8, CPU: s})
	if err != nil {
		return nil, err
	}
	return v, v.Start(context.Background(), host.Boot{Kernel: testkernel.Image(guest, guests.Build(guest))})
}

// stop ends guests.
func (b *bench) stop(list ...host.VM) error {
	for _, v := range list {
		if err := v.Stop(context.Background()); err != nil {
			return err
		}
		if err := b.m.Delete(v.Config().ID); err != nil {
			return err
		}
	}
	return nil
}

// gain lets the guests run until they have had total together, and says how much
// each had, and how long one of them was there for that.
func gain(total time.Duration, list ...host.VM) (each []time.Duration, elapsed time.Duration) {
	first := make([]host.CPUStats, len(list))
	for i, v := range list {
		first[i] = whole(v)
	}
	each = make([]time.Duration, len(list))
	for {
		time.Sleep(50 * time.Millisecond)
		sum := time.Duration(0)
		for i, v := range list {
			now := whole(v)
			each[i] = now.Run - first[i].Run
			sum += each[i]
			elapsed = (all(now) - all(first[i])) / time.Duration(v.Config().CPUs)
		}
		if sum >= total {
			return each, elapsed
		}
	}
}

// whole adds up a machine's virtual CPUs.
func whole(v host.VM) (t host.CPUStats) {
	for _, c := range v.Status().CPUs {
		t.Run, t.Ready, t.Wait, t.CoStop = t.Run+c.Run, t.Ready+c.Ready, t.Wait+c.Wait, t.CoStop+c.CoStop
	}
	return t
}

func all(t host.CPUStats) time.Duration { return t.Run + t.Ready + t.Wait + t.CoStop }

// within holds what somebody had between two bounds, in thousandths.
func within(what string, had, of time.Duration, least, most float64) error {
	part := 1000 * float64(had) / float64(of)
	fmt.Printf("fair: %s: %.0f thousandths, %.0f to %.0f expected\n", what, part, least, most)
	if part < least || part > most {
		return fmt.Errorf("%s had %.0f thousandths, not %.0f to %.0f", what, part, least, most)
	}
	return nil
}

// shares: 1:2:4 among spinning guests, one of each for every processor.
func (b *bench) shares() error { return b.ratio("spin", "spin", 10*time.Second, .05) }

// exits: the same when those with most shares are in ordinary Go all the time. What
// they do there after they lost their processor is on the agent's account.
func (b *bench) exits() error { return b.ratio("spin", "loop-hole", 4*time.Second, .15) }

func (b *bench) ratio(light, heavy string, each time.Duration, tolerance float64) error {
	var list []host.VM
	weights := []int{1, 2, 4}
	for range b.cpus {
		for _, w := range weights {
			guest := light
			if w == 4 {
				guest = heavy
			}
			v, err := b.start(guest, 1, host.CPUSpec{Shares: 1000 * w})
			if err != nil {
				return err
			}
			list = append(list, v)
		}
	}
	b.settle(list)
	had, _ := gain(time.Duration(b.cpus)*each, list...)
	fmt.Println("fair: each had", had)
	sum, by := time.Duration(0), [3]time.Duration{}
	for i, d := range had {
		by[i%3] += d
		sum += d
	}
	for i, w := range weights {
		part := 1000 * float64(w) / 7
		if err := within(fmt.Sprintf("%s beside %s, shares %d of 7", light, heavy, w), by[i], sum, (1-tolerance)*part, (1+tolerance)*part); err != nil {
			return err
		}
	}
	return b.stop(list...)
}

// skew is by how much two virtual CPUs of a machine may differ in what they had between
// two moments: the policy's 15 ms and a slice of 5 ms, at the first one way and at the
// second the other.
const skew = 2 * 20 * time.Millisecond

// siblings: 1:2:4 among machines with two, two and four virtual CPUs that spin, and
// those of each machine stay together.
func (b *bench) siblings() error {
	var list []host.VM
	for i, cpus := range []int{2, 2, 4} {
		v, err := b.start("smp-spin", cpus, host.CPUSpec{Shares: 1000 << i})
		if err != nil {
			return err
		}
		list = append(list, v)
	}
	b.settle(list)
	first := make([][]host.CPUStats, len(list))
	for i, v := range list {
		first[i] = v.Status().CPUs
	}
	had, _ := gain(time.Duration(b.cpus)*6*time.Second, list...)
	sum := had[0] + had[1] + had[2]
	for i, v := range list {
		part := 1000 * float64(int(1)<<i) / 7
		if err := within(fmt.Sprintf("%d virtual CPUs, shares %d of 7", v.Config().CPUs, 1<<i), had[i], sum, .95*part, 1.05*part); err != nil {
			return err
		}
		least, most, stopped := time.Duration(1<<62), time.Duration(0), time.Duration(0)
		for n, c := range v.Status().CPUs {
			least, most = min(least, c.Run-first[i][n].Run), max(most, c.Run-first[i][n].Run)
			stopped += c.CoStop - first[i][n].CoStop
		}
		fmt.Printf("fair: they are %v apart, co-stopped for %v\n", (most - least).Round(time.Millisecond), stopped.Round(time.Millisecond))
		if most-least > skew {
			return fmt.Errorf("virtual CPUs of a machine had %v to %v", least, most)
		}
	}
	return b.stop(list...)
}

// settle waits until all guests are where they stay: each of their virtual CPUs has run
// for a while. One that is still printing waits in ordinary Go for most of its time.
func (b *bench) settle(list []host.VM) {
	for _, v := range list {
		for spins(v) < v.Config().CPUs {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// spins is how many of a machine's virtual CPUs have run for a while: those that were
// not started yet wait.
func spins(v host.VM) (n int) {
	for _, c := range v.Status().CPUs {
		if c.Run > 200*time.Millisecond {
			n++
		}
	}
	return n
}

// reservation: one share against thousands, but a quarter of a processor promised.
func (b *bench) reservation() error {
	list := make([]host.VM, 0, 3)
	poor, err := b.start("spin", 1, host.CPUSpec{Shares: 1, Reservation: 250})
	if err != nil {
		return err
	}
	list = append(list, poor)
	for range 2 * b.cpus {
		v, err := b.start("spin", 1, host.CPUSpec{Shares: 10000})
		if err != nil {
			return err
		}
		list = append(list, v)
	}
	gain(time.Duration(b.cpus)*time.Second, list...)
	each, elapsed := gain(time.Duration(b.cpus)*3*time.Second, list...)
	// An emulator's processor that stands still for a while may cost it a little; its
	// turns by its shares would be none, and without shares 400.
	if err := within("one share and a reservation of 250", each[0], elapsed, 225, 300); err != nil {
		return err
	}
	return b.stop(list...)
}

// limit: alone on the host, and still no more than a third of a processor.
func (b *bench) limit() error {
	for _, guest := range []string{"spin", "loop-hole"} {
		v, err := b.start(guest, 1, host.CPUSpec{Limit: 300})
		if err != nil {
			return err
		}
		gain(200*time.Millisecond, v)
		each, elapsed := gain(1500*time.Millisecond, v)
		// Pauses of the emulator's that are longer than what a limit saves up are lost.
		if err := within(guest+" with a limit of 300", each[0], elapsed, 150, 315); err != nil {
			return err
		}
		if err := b.stop(v); err != nil {
			return err
		}
	}
	return nil
}

// stops: whoever has to stop does not wait for its turn, which by one share against
// hundreds of thousands, or by a thousandth of a processor, would be long.
func (b *bench) stops() error {
	list := make([]host.VM, 0, 5)
	for i := range 2*b.cpus + 1 {
		s := host.CPUSpec{Shares: 100000}
		if i == 0 {
			s.Shares = 1
		}
		v, err := b.start("spin", 1, s)
		if err != nil {
			return err
		}
		list = append(list, v)
	}
	v, err := b.start("spin", 1, host.CPUSpec{Limit: 1, Shares: 1})
	if err != nil {
		return err
	}
	list = append(list, v)
	gain(time.Duration(b.cpus)*time.Second, list...)
	for range 3 {
		for _, v := range []host.VM{list[0], v} {
			t := time.Now()
			if err := v.Pause(context.Background()); err != nil {
				return fmt.Errorf("pause of %s: %w", v.Config().ID, err)
			}
			fmt.Printf("fair: %s paused after %v\n", v.Config().ID, time.Since(t).Round(time.Millisecond))
			if d := time.Since(t); d > agentWait {
				return fmt.Errorf("a pause took %v", d)
			}
			if err := v.Resume(context.Background()); err != nil {
				return err
			}
		}
		gain(time.Duration(b.cpus)*200*time.Millisecond, list...)
	}
	return b.stop(list...)
}

// refused: what cannot be backed is refused at the start, with the reason.
func (b *bench) refused() error {
	v, err := b.m.Create(host.Config{ID: "greedy", CPUs: 1, MemoryMiB: 8, CPU: host.CPUSpec{Reservation: 1000 * linux.CPUs()}})
	if err != nil {
		return err
	}
	err = v.Start(context.Background(), host.Boot{Kernel: testkernel.Image("spin", guests.Build("spin"))})
	if !errors.Is(err, host.ErrNoCPU) {
		return fmt.Errorf("a reservation of the whole host: %v", err)
	}
	fmt.Println("fair: refused:", err)
	return b.m.Delete("greedy")
}
