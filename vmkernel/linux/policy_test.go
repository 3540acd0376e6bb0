package linux

import (
	"slices"
	"testing"

	"basalt/vmkernel/cpusched"
)

// A virtual CPU that nobody competes with runs on without a timer or a decision.
func TestAlone(t *testing.T) {
	d := newDesk(t, 1, 1)
	c, v := d.cpus[0], d.vcpu(0, cpusched.Spec{})
	d.wake(v)
	d.runs(c, v, "wake", "pick")
	d.over(c)
	c.resched = 1
	d.runs(c, v)
	if c.wanted() != ^uint64(0) {
		t.Error("a timer is wanted")
	}
	c.block(v, waitFutex)
	if idle := d.look(c); idle.self != c.idle || c.wanted() != ^uint64(0) {
		t.Errorf("thread %d runs, timer %d", idle.tid, c.wanted())
	}
	c.resched = 1
	d.runs(c, threadAt(c.idle)) // an idle processor that is kicked for nothing
	d.over(c)
	d.wake(v)
	c.resched = 1
	d.runs(c, v, "slept") // nobody has to be asked
	if times, _ := d.s.Times(d.ids[v.tid], int64(c.now())); times.Wait < 6*testMS || times.Run > 7*testMS {
		t.Errorf("%+v", times)
	}
}

// Two take turns, and a timer is set for the end of the slice.
func TestTurns(t *testing.T) {
	d := newDesk(t, 1, 2)
	c, v, w := d.cpus[0], d.vcpu(0, cpusched.Spec{}), d.vcpu(1, cpusched.Spec{})
	d.wake(v)
	d.look(c)
	d.wake(w)
	c.resched = 1
	d.runs(c, v, "wake")
	if c.wanted() != c.sliceEnd {
		t.Error("nobody ends the slice")
	}
	turns := map[*thread]int{}
	for range 20 {
		d.over(c)
		c.resched = 1
		turns[d.look(c)]++
	}
	if turns[v] < 9 || turns[w] < 9 {
		t.Errorf("%d and %d turns of 20", turns[v], turns[w])
	}
}

// Ordinary Go that loses its processor goes on among the agent's threads, and waits
// for the policy again before its guest runs.
func TestLosesItInGo(t *testing.T) {
	d := newDesk(t, 1, 3)
	c, v, w, agent := d.cpus[0], d.vcpu(0, cpusched.Spec{}), d.vcpu(1, cpusched.Spec{}), d.pool[2]
	d.wake(v)
	d.look(c)
	*v.guest() = InGo
	d.wake(w)
	d.over(c)
	c.resched = 1
	d.look(c)
	if v.state != stateRunning && !sched.has(c) || v.state == stateRunning && c.who != AgentName(0) {
		t.Fatal("it is not one of the agent's")
	}
	for range 10 { // the agent gets its turn
		if c.cur == v.self {
			break
		}
		d.over(c)
		c.resched = 1
		d.look(c)
	}
	if c.cur != v.self || c.who != AgentName(0) {
		t.Fatalf("thread %d runs as %d", threadAt(c.cur).tid, c.who)
	}
	// Another of the agent's gets the rest of the slice without a decision.
	d.wake(agent)
	c.resched = yielding
	d.runs(c, agent)
	c.block(agent, waitSleep)
	d.runs(c, v)
	if *v.guest() != MustEnter {
		t.Fatal("nothing calls EnterGuest")
	}
	c.enterGuest(v)
	d.look(c)
	if !slices.Equal(d.calls, []string{"wake", "block", "pick"}) || sched.waiting != 1 || sched.queued != 0 {
		t.Errorf("%v, %d wait, %d queued", d.calls, sched.waiting, sched.queued)
	}
}

// A limit ends the slice of whoever runs alone, and a timer ends the pause.
func TestLimitNeedsNobodyElse(t *testing.T) {
	d := newDesk(t, 1, 1)
	c, v := d.cpus[0], d.vcpu(0, cpusched.Spec{Limit: 100})
	d.wake(v)
	d.look(c)
	if c.wanted() != c.sliceEnd {
		t.Fatal("nobody ends the slice")
	}
	for range 10 {
		if c.cur == c.idle {
			break
		}
		d.over(c)
		c.resched = 1
		d.look(c)
	}
	if c.cur != c.idle || c.wanted() == ^uint64(0) || c.wanted() < c.now() {
		t.Fatalf("thread %d runs, timer in %d ticks", threadAt(c.cur).tid, int64(c.wanted()-c.now()))
	}
}

// Who runs unbounded elsewhere is interrupted when somebody begins to wait.
func TestOthersHearOfIt(t *testing.T) {
	d := newDesk(t, 2, 3)
	for i, c := range d.cpus {
		d.wake(d.vcpu(i, cpusched.Spec{}))
		d.look(c)
	}
	a, b := d.cpus[0], d.cpus[1]
	if a.bounded != 0 || b.bounded != 0 {
		t.Fatal("bounded without need")
	}
	d.wake(d.vcpu(2, cpusched.Spec{}))
	a.resched = 1
	d.look(a)
	if a.bounded == 0 || b.kicked == 0 {
		t.Fatalf("bounded %d, kicked %d", a.bounded, b.kicked)
	}
	b.resched = 1
	if d.look(b); b.wanted() != b.sliceEnd {
		t.Error("nobody ends the slice there")
	}
}

// A guest that spins gives way to one that waits before its slice ends; alone it goes
// on without a decision.
func TestYields(t *testing.T) {
	d := newDesk(t, 1, 2)
	c, v, w := d.cpus[0], d.vcpu(0, cpusched.Spec{}), d.vcpu(1, cpusched.Spec{})
	d.wake(v)
	d.look(c)
	c.resched = yielding
	d.runs(c, v)
	if Contended() {
		t.Error("nobody waits")
	}
	d.wake(w)
	c.resched = 1
	d.runs(c, v, "wake")
	if !Contended() {
		t.Error("somebody waits")
	}
	c.tscOffset -= testMS
	c.resched = yielding
	d.runs(c, w, "ran", "pick")
}

// A virtual CPU that has to stop runs as one of the agent's, wherever it waits: far
// over its limit, or in a halt on a processor that goes on believing in it.
func TestHurry(t *testing.T) {
	d := newDesk(t, 2, 2)
	a, b := d.cpus[0], d.cpus[1]
	v := d.vcpu(0, cpusched.Spec{Limit: 10})
	d.wake(v)
	d.look(a)
	d.over(a)
	a.resched = 1
	d.runs(a, threadAt(a.idle), "ran", "pick")
	if sched.waiting != 1 {
		t.Fatal("the limit does not hold it")
	}
	d.hurry(v, true)
	b.resched = 1
	d.look(b)
	if b.cur != v.self || b.who != AgentName(1) || sched.waiting != 0 {
		t.Fatalf("thread %d runs as %d", threadAt(b.cur).tid, b.who)
	}
	*v.guest() = InGo
	b.block(v, waitFutex)
	d.runs(b, threadAt(b.idle), "block", "pick")
	d.hurry(v, false)
	d.wake(v)
	b.resched = 1
	d.look(b)
	if *v.guest() != MustEnter {
		t.Fatal("its guest would run on the agent's account")
	}

	w := d.vcpu(1, cpusched.Spec{})
	d.wake(w)
	a.resched = 1
	d.look(a)
	if b.block(v, waitFutex); a.cur != w.self {
		t.Fatal("it does not run")
	}
	d.look(b)
	a.block(w, waitFutex)
	if d.look(a); a.halted != w.self {
		t.Fatal("it does not rest")
	}
	d.hurry(w, true)
	d.wake(w)
	b.resched = 1
	d.look(b)
	if b.cur != w.self || a.halted != 0 || a.who != 0 {
		t.Fatalf("thread %d runs, %#x rests", threadAt(b.cur).tid, a.halted)
	}
	d.hurry(w, false) // before it saw anything
	if b.kicked == 0 {
		t.Error("its guest runs on the agent's account")
	}
	b.resched = 1
	if d.look(b); b.cur != w.self || b.who != w.tid {
		t.Errorf("thread %d runs as %d", threadAt(b.cur).tid, b.who)
	}
}
