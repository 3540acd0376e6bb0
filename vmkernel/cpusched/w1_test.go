package cpusched

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// What the personality calls in a handler allocates nothing and writes no pointer,
// and neither does what the other calls change under its lock.
func TestHandlerCalls(t *testing.T) {
	w1test.NoAlloc(t, (*Scheduler).Pick, (*Scheduler).Ran, (*Scheduler).Block, (*Scheduler).Wake, (*Scheduler).Kicks, (*Scheduler).Times, (*Scheduler).Stolen, (*Scheduler).Slept,
		(*Scheduler).take, (*Scheduler).apply, (*Scheduler).set, (*Scheduler).remove, (*Scheduler).setAffinity)
}
