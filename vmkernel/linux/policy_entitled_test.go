package linux

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"basalt/vmkernel/cpusched"
)

// A machine that works for a millisecond at a time, and waits for a little longer in
// between, has what it is promised although another computes all the time.
func TestPromiseToOneThatSleeps(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := newPlant(t, rand.New(rand.NewPCG(1, 1)), 1, 2)
	for i, s := range []cpusched.Spec{{}, {Reservation: 500}} {
		p.vms = append(p.vms, &machine{id: p.machine(s), size: 1})
		p.member(i, p.vms[i].id)
		p.jobs[i].vm = p.vms[i]
	}
	p.jobs[0].spins, p.jobs[1].cycle = true, testMS
	for began := p.clock; p.clock < began+2000*testMS; {
		p.step()
	}
	if had := p.run(p.vms[1]) / testMS; had < 840 { // of 888 that it could use
		t.Errorf("it had %d ms of 2000", had)
	}
}

// So has the agent, which has four times the shares of a guest that computes.
func TestAgentBehindOneThatComputes(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for cycle, least := range map[uint64]int64{testMS: 840, testMS / 4: 250} {
		p := newPlant(t, rand.New(rand.NewPCG(1, 1)), 1, 2)
		p.vms = append(p.vms, &machine{id: p.machine(cpusched.Spec{}), size: 1})
		p.member(0, p.vms[0].id)
		p.jobs[0].vm = p.vms[0]
		p.jobs[0].spins, p.jobs[1].cycle = true, cycle
		for began := p.clock; p.clock < began+2000*testMS; {
			p.step()
		}
		if had := p.had[AgentName(0)] / testMS; had < least {
			t.Errorf("%d us at a time: it had %d ms of 2000", cycle*1000/testMS, had)
		}
		sched = scheduler{} // the next is another host
	}
}

// Three machines of two virtual CPUs that compute have two processors by their shares,
// the agent's few moments beside them.
func TestSharesOfThree(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := newPlant(t, rand.New(rand.NewPCG(1, 1)), 2, 7)
	for i := range 6 {
		if i%2 == 0 {
			p.vms = append(p.vms, &machine{id: p.machine(cpusched.Spec{Shares: 1000 << (i / 2)}), size: 2})
		}
		p.jobs[i].vm, p.jobs[i].spins = p.vms[i/2], true
		p.member(i, p.vms[i/2].id)
	}
	p.jobs[6].cycle = testMS / 20
	for began := p.clock; p.clock < began+10000*testMS; {
		p.step()
	}
	all := p.run(p.vms[0]) + p.run(p.vms[1]) + p.run(p.vms[2])
	for i, m := range p.vms {
		if got, want := p.run(m), all<<i/7; got < want*95/100 || got > want*105/100 {
			t.Errorf("machine %d had %d ms, not %d", i, got/testMS, want/testMS)
		}
	}
}
