package cpusched

import (
	"errors"
	"fmt"
)

// MaxCPUs is how many host processors a Scheduler can serve.
const MaxCPUs = 64

// MaxDepth is how many groups may stand between the root and a virtual CPU.
const MaxDepth = 8

// MaxShares bounds the shares of a group.
const MaxShares = 100_000

// CPUShares are the shares of each virtual CPU among its siblings, and those of a
// group that asks for none.
const CPUShares = 1000

// The lengths of the policy, in milliseconds; Config.TicksPerMS makes ticks of them.
const (
	sliceMS  = 5  // longest time between two decisions on a processor
	granMS   = 1  // shortest time worth a switch, and worth the end of a throttle
	windowMS = 50 // how far reservations and limits may be saved up
	skewMS   = 15 // how far a virtual CPU may run ahead of a sibling
	longMS   = 1000
)

// Config is what a Scheduler is made for.
type Config struct {
	CPUs       int   // host processors, 1 to MaxCPUs
	Nodes      int   // groups and virtual CPUs at most, 3 to 65535, for all time
	TicksPerMS int64 // ticks of every time handed in, per millisecond, 1 to 1e7; 0: 1e6, nanoseconds
	Agent      Spec  // the host agent's group

	// Exclusive runs f with the lock held that the caller holds around Pick, Ran,
	// Block, Wake, Kicks and Times. All other calls use it for what they change, and
	// must themselves be made one at a time. What f does is fit for world W1, and it
	// writes nothing but the Scheduler, which was written before: a handler cannot
	// wait for a page. nil: the caller holds one lock around every call.
	Exclusive func(f func())
}

// ID names a group or a virtual CPU of one Scheduler. Zero names none. The ID of
// something removed stays unknown until its number was used 65535 times again.
type ID uint32

// Index is the ID's place among Config.Nodes. Only one ID has it at a time.
func (id ID) Index() int { return int(id & 0xffff) }

// None is no group and no virtual CPU.
const None ID = 0

// ErrUnknown is the error for an ID that names nothing, or nothing of the kind needed.
var ErrUnknown = errors.New("cpusched: no such group or virtual CPU")

// ErrFull says that Config.Nodes are in use.
var ErrFull = errors.New("cpusched: no room for another group or virtual CPU")

// Scheduler is the policy's state. It has no lock: the caller holds one.
type Scheduler struct {
	nodes     []node
	names     []string // of groups, by index; only the calls of W2 look at them
	exclusive func(f func())
	free      int32
	ncpu      int
	all       uint64 // a bit for each processor
	now       int64  // the latest time handed in
	seq       uint64 // decisions so far
	cpus      [MaxCPUs]processor
	idle      uint64 // processors whose last Pick found nothing
	kicks     uint64 // processors to interrupt, not yet taken
	kicked    uint64 // processors with an interrupt due that have not called Pick since
	agent     ID
	reserved  int32 // list of the groups with a reservation, through nextReserved
	throttled int32 // list of the groups over their limit, through nextThrottled

	slice, gran, window, skew, long int64 // ticks

	// What Exclusive's f found: a variable of its caller's may be memory without a page.
	made   int32
	failed failure
}

// processor is what runs on one host processor.
type processor struct {
	running int32 // index of the virtual CPU, nobody if none
	last    int32 // who ran before
}

// New makes a Scheduler with a root and the agent's group. An error says which part
// of c is out of range.
func New(c Config) (*Scheduler, error) {
	if c.TicksPerMS == 0 {
		c.TicksPerMS = 1_000_000
	}
	switch {
	case c.CPUs < 1 || c.CPUs > MaxCPUs:
		return nil, fmt.Errorf("cpusched: %d host CPUs: 1 to %d can be served", c.CPUs, MaxCPUs)
	case c.Nodes < 3 || c.Nodes > 65535:
		return nil, fmt.Errorf("cpusched: room for %d groups and virtual CPUs: 3 to 65535 is possible", c.Nodes)
	case c.TicksPerMS < 1 || c.TicksPerMS > 10_000_000:
		return nil, fmt.Errorf("cpusched: %d ticks per millisecond: 1 to 10000000 is possible", c.TicksPerMS)
	}
	s := &Scheduler{
		nodes: make([]node, c.Nodes), names: make([]string, c.Nodes), exclusive: c.Exclusive, ncpu: c.CPUs, all: ^uint64(0) >> (64 - c.CPUs),
		reserved: nobody, throttled: nobody,
		slice: sliceMS * c.TicksPerMS, gran: granMS * c.TicksPerMS, window: windowMS * c.TicksPerMS,
		skew: skewMS * c.TicksPerMS, long: longMS * c.TicksPerMS,
	}
	if s.exclusive == nil {
		s.exclusive = func(f func()) { f() }
	}
	s.idle = s.all
	for i := range s.cpus {
		s.cpus[i] = processor{nobody, nobody}
	}
	for i := range s.nodes {
		s.nodes[i].next = int32(i) + 1
	}
	s.nodes[len(s.nodes)-1].next = nobody
	root := s.take(kindPool, nobody)
	s.names[root] = "host"
	s.nodes[root].reservation = int64(c.CPUs) * 1000
	s.nodes[root].shares = CPUShares
	id, err := s.addGroup(s.nodes[root].id, kindAgent, "agent", c.Agent)
	if err != nil {
		return nil, err
	}
	s.agent = id
	return s, nil
}

// Root is the group that stands for the host.
func (s *Scheduler) Root() ID { return s.nodes[root].id }

// Agent is the group of the host agent's threads. They are never co-stopped.
func (s *Scheduler) Agent() ID { return s.agent }

// advance takes the time of a call: it never goes back, and stays where sums of two
// times cannot overflow.
func (s *Scheduler) advance(now int64) {
	s.now = max(s.now, min(now, 1<<62))
}
