package linux

import (
	"math/rand/v2"
	"testing"

	"basalt/vmkernel/cpusched"
)

// Whatever happens in whatever order, every thread is in one place, the policy knows
// the same as the scheduler, and nobody who wants to run is forgotten.
func TestPolicyAtRandom(t *testing.T) {
	for seed := range uint64(30) {
		t.Run("", func(t *testing.T) { atRandom(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func atRandom(t *testing.T, r *rand.Rand) {
	const threads = 9
	d := newDesk(t, 1+r.IntN(4), threads)
	for i := range threads - 3 {
		d.vcpu(i, cpusched.Spec{Shares: 100 + r.Int64N(5000), Limit: r.Int64N(2) * 900})
	}
	for _, a := range d.pool[threads-3:] {
		a.state = stateBlocked
	}
	ran := map[uint32]int{}
	// had is what each name had by a second account, since is when what runs began.
	had, since := map[uint32]int64{}, make([]uint64, len(d.cpus))
	count := func(c *cpuState) {
		now := c.now()
		if since[c.id] != 0 {
			had[c.use] += int64(now - since[c.id])
		}
		since[c.id] = now
	}
	step := func() {
		c := d.cpus[r.IntN(len(d.cpus))]
		cur := threadAt(c.cur)
		switch r.IntN(9) {
		case 0, 1:
			if t := d.pool[r.IntN(threads)]; t.state == stateBlocked {
				d.wake(t)
			}
		case 2:
			if cur.self != c.idle {
				c.block(cur, waitFutex)
				if r.IntN(2) == 0 { // and wakes before anybody looks
					d.wake(cur)
				}
			}
		case 3:
			if cur.inGuest() {
				*cur.guest() = InGo
			}
		case 4:
			if cur.word != 0 && *cur.guest() == MustEnter {
				c.enterGuest(cur)
			} else if cur.word != 0 {
				*cur.guest() = InGuest
			}
		case 5:
			d.over(c)
		case 6:
			c.resched = yielding
		case 7:
			if th := d.pool[r.IntN(threads)]; th.word != 0 {
				d.hurry(th, r.IntN(3) == 0)
			}
		}
		if c.resched == 0 {
			c.resched = 1
		}
		count(c)
		d.look(c)
		d.check()
		if want := c.account(threadAt(c.cur)); c.use != want {
			t.Fatalf("processor %d runs thread %d of %d on the account of %d", c.id, threadAt(c.cur).tid, want, c.use)
		}
		ran[threadAt(c.cur).tid]++
	}
	for range 3000 {
		step()
	}
	for _, c := range d.cpus {
		count(c)
		c.tell(c.now())
	}
	delete(had, 0)
	for name, want := range had {
		times, _ := d.s.Times(d.ids[name], int64(d.cpus[0].now()))
		if off := times.Run - want; off > 40*testMS || off < -40*testMS {
			t.Errorf("%d had %d ms, the policy counts %d", name, want/testMS, times.Run/testMS)
		}
	}
	// Everybody wants to run: in a while everybody does, wherever a look is due.
	for _, th := range d.pool {
		if th.word != 0 {
			d.hurry(th, false)
		}
		if th.state == stateBlocked {
			d.wake(th)
		}
	}
	clear(ran)
	for range 4000 {
		c := d.cpus[r.IntN(len(d.cpus))]
		d.over(c)
		c.resched = 1
		d.look(c)
		d.check()
		ran[threadAt(c.cur).tid]++
	}
	for _, th := range d.pool {
		if ran[th.tid] == 0 {
			t.Errorf("thread %d (virtual CPU %v, in its guest %v) never ran", th.tid, th.word != 0, th.inGuest())
		}
	}
}

// check compares what the scheduler keeps with a fresh count.
func (d *desk) check() {
	d.t.Helper()
	where := map[uintptr]int{}
	for va := sched.head; va != 0; va = threadAt(va).next {
		where[va]++
	}
	queued := len(where)
	for va := sched.woken.head; va != 0; va = threadAt(va).next {
		where[va]++
	}
	waiting := 0
	for _, c := range d.cpus {
		where[c.cur]++
		if _, state := d.s.Times(d.ids[AgentName(int(c.id))], 0); (state != cpusched.Waiting) != (c.agent != 0) {
			d.t.Fatalf("processor %d: the agent is %v, noted %d", c.id, state, c.agent)
		}
		if c.cur != c.idle && c.who == 0 && c.look == 0 {
			d.t.Fatalf("nobody has processor %d, and thread %d runs there", c.id, threadAt(c.cur).tid)
		}
		if c.who != 0 {
			if _, state := d.s.Times(d.ids[c.who], 0); state != cpusched.Running {
				d.t.Fatalf("processor %d runs %d, which is %v", c.id, c.who, state)
			}
		}
	}
	for _, t := range d.pool {
		_, state := d.s.Times(d.ids[t.tid], 0)
		if t.hurry != 0 && state != cpusched.Waiting && (state != cpusched.Running || t.state != stateRunning) {
			d.t.Fatalf("thread %d in state %d has no time to wait, and is %v", t.tid, t.state, state)
		}
		if t.word != 0 && (state == cpusched.Ready || state == cpusched.CoStopped) {
			waiting++
			where[t.self]++
		}
		want := 1
		if t.state == stateBlocked {
			want = 0
		}
		if where[t.self] != want {
			d.t.Fatalf("thread %d in state %d is in %d places; the policy says %v", t.tid, t.state, where[t.self], state)
		}
	}
	if queued != sched.queued || waiting != sched.waiting {
		d.t.Fatalf("%d queued and %d waiting, counted %d and %d", sched.queued, sched.waiting, queued, waiting)
	}
}
