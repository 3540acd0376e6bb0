// Package cpusched is the policy of who runs on the host's processors: virtual CPUs
// and the agent's threads, in a tree of pools and virtual machines with shares,
// reservations and limits, nested.
//
// World: W1 and W2, see below: nothing starts a thread, reads a clock or
// takes a lock. Every call is handed the time, in ticks of the caller's choice; a
// time that goes back counts as the latest one seen. The same calls give the same
// decisions.
//
// # Policy
//
// Reservations come first: a group earns its reservation while it wants to run, and
// the group that is owed the most time, for its own rate, goes first. A parent
// backs what it promises: the reservations of its children are at most its own, the
// host's is all of its processors. Both are in thousandths of a host CPU. A promise
// that is not backed is refused, with a text that names what was promised.
//
// The rest goes by shares: from the root down, the child with the least virtual time
// (time had, divided by shares) goes next. A grant counts from the moment when it is
// made, so that one group cannot take many processors at once. A sleeper comes back
// at most one slice behind its siblings; a group that has all that it wants is owed
// four at most. What was had past the end of a slice while nobody waited is settled
// before the first who waits does: it costs no reservation, and puts nobody back by more
// than a slice. A new specification, or place, of a group counts from that moment on.
//
// A limit is a bucket of time that fills at the limit's rate: a group runs until it
// is nearly empty, then nothing below it runs until there are two milliseconds for
// each processor that it could use, or half of what the bucket holds. It holds 50 ms
// of the limit's rate, and at least one slice.
//
// A virtual CPU that ran 15 ms more than a sibling that also wants to run is
// co-stopped when its slice ends, until the sibling is within half of that. Whoever
// sleeps holds nobody up. The agent's threads are not held together.
//
// # Data path
//
// Timer or kick on a processor -> Ran or Block for what ran there -> Pick -> run for
// at most Decision.Slice -> again. An event for a virtual CPU -> Wake. After every
// call that changes anything, those of Kicks get an interrupt and call Pick. A
// processor that got None sleeps for Decision.Slice, or until it is kicked. Where nobody
// else waits, a slice may be overrun unless it is Bounded, and a virtual CPU that halts
// may stay where it is: the caller says afterwards how long it Slept. What runs
// past its slice is charged for it, up to one second a time.
//
// # Locking and W1
//
// The caller holds one lock around every call of Pick, Ran, Slept, Block, Wake, Kicks
// and Times; Stolen needs none. They are W1: they allocate nothing, use no map and write no pointer (a
// test looks at the object code), need 420 bytes of stack, do not recurse and are not
// marked nosplit. Nodes are in one array without pointers, made and touched by New.
//
// The calls that change the tree (Add*, Set, Move, Remove, SetAffinity) are W2, made one at a
// time: they check and format errors on their own, since nothing else changes what
// they look at, and give what they change to Config.Exclusive, which takes the lock in
// the way that the lock's world allows. That part is W1.
//
// Work, with d levels (at most 9), k children in a group, r groups with a
// reservation, t throttled groups, P processors: Pick O(d*(k+P) + r*d + t*(k+d*P)),
// Wake the same, O(P*d) to find a processor and O(d*k) for each that ran past its
// slice, Ran and Block O(d*(k+P) + t*(k+d*P)) and, for each sibling that a co-stop lets go, the work of a Wake.
//
// # Not supported
//
// A bound for whoever is tied to one processor in a group that is not co-scheduled. The
// group is charged for all processors that it uses, even if nobody else could use
// them, and so stays ahead of the others for as long as its other members run alone
// elsewhere: meanwhile the tied one waits. In 60 simulated hosts that gave the longest
// wait, 1275 ms of 2000, on four processors of which three were the agent's alone.
// Package ring0 therefore has a group of its own for the agent on each processor, and
// members of a machine are held together. The next longest, 900 ms and less, were
// virtual CPUs of 31 in a machine with a limit of 0.7 processors.
//
// Reservations that borrow from the parent's parent (expandable ones); pools that move
// below another one; NUMA, hyper-
// threads and cache warmth: a virtual CPU goes to whichever processor asks; more than
// 64 processors; processors that come and go. Admission does not look at affinity:
// two reservations tied to one processor are both accepted, nor at how many virtual
// CPUs a machine has. Below a limit of a few
// hundredths of a CPU, a virtual CPU tied to one processor may wait long for siblings
// that are not: whichever processor asks first takes what the limit gives.
package cpusched
