package linux

import (
	"unsafe"

	"basalt/vmkernel/pmem"
)

// MaxThreads bounds the runtime's threads; the runtime itself stops at 10000, and
// ends when it cannot have one more. 1024 machines may run, each with a thread.
const MaxThreads = 2048

const maxCPUs = 64

// threadTaken marks an entry of the thread table that somebody is making.
const threadTaken = ^uintptr(0) >> 1

// newThread takes a free thread or makes one. It is blocked, may run anywhere and
// has an empty frame.
func newThread() *thread {
	sched.lock.Lock()
	for i := range sched.threads {
		if va := sched.threads[i]; va == threadTaken {
			continue
		} else if va != 0 {
			if t := threadAt(va); t.state == stateFree {
				t.state = stateBlocked
				sched.lock.Unlock()
				t.reset(uint32(i) + 1)
				return t
			}
			continue
		}
		sched.threads[i] = threadTaken // while we look for memory
		sched.lock.Unlock()
		pa, ok := pmem.AllocHost(threadFrames, pageSize, 0)
		if !ok {
			sched.lock.Lock()
			sched.threads[i] = 0
			sched.lock.Unlock()
			return nil
		}
		// JUSTIFICATION: threads live outside the Go heap, see at.
		// SAFETY: the frames were just taken and belong to this thread for ever.
		t := threadAt(pmem.Virt(pa))
		t.self = uintptr(unsafe.Pointer(t))
		t.state = stateBlocked
		t.reset(uint32(i) + 1)
		sched.lock.Lock()
		sched.threads[i] = t.self
		sched.lock.Unlock()
		return t
	}
	sched.lock.Unlock()
	return nil
}

// reset gives a thread the state that a new one has.
func (t *thread) reset(tid uint32) {
	t.tid = tid
	t.fsbase, t.next, t.futex, t.wake, t.heap = 0, 0, 0, 0, 0
	t.aff = ^uint64(0)
	t.pending, t.mask, t.altLow, t.altSize, t.altFlag = 0, 0, 0, 0, 2
	t.inSig, t.noX, t.waiting, t.clearTID = 0, 1, 0, 0
	t.ran, t.word, t.hurry = 0, 0, 0
	t.frame = frame{cs: 0x08, ss: 0x10, rflags: 0x202, vector: vectorSyscall}
}

// end is the top of the frame: where the processor pushes to.
func (t *thread) end() uintptr {
	return t.self + unsafe.Offsetof(t.frame) + unsafe.Sizeof(t.frame)
}

// newCPU makes the structure of another processor.
func newCPU(id, apicID uint32) *cpuState {
	const n = (unsafe.Sizeof(cpuState{}) + pageSize - 1) / pageSize
	pa, ok := pmem.Alloc(int(n), pageSize, 0)
	if !ok {
		return nil
	}
	c := cpuAt(pmem.Virt(pa))
	c.self = uintptr(unsafe.Pointer(c))
	c.id, c.apicID = id, apicID
	return c
}

// initCPUThreads gives a processor its stacks and its idle thread.
func initCPUThreads(c *cpuState) {
	idle := newThread()
	ok := idle != nil
	for kind, at := range [numStacks]*uintptr{&c.kstack, &c.istNMI, &c.istDF, &c.istMC} {
		top, have := mm.newStack(c.id, kind)
		*at = top
		ok = ok && have
	}
	if !ok {
		die("boot: no memory for a processor", nil)
	}
	setTSS(c, 1, c.istNMI)
	setTSS(c, 2, c.istDF)
	setTSS(c, 3, c.istMC)
	_, _, loop, _, _ := addresses()
	idle.frame.rip = uint64(loop)
	idle.frame.vector = 0
	idle.noX = 1
	pa, ok := pmem.AllocFrame()
	if !ok {
		die("boot: no memory for a processor", nil)
	}
	idle.frame.rsp = uint64(pmem.Virt(pa) + pageSize)
	idle.aff = 1 << c.id
	c.idle = idle.self
	c.cur = idle.self
	idle.state = stateRunning
	c.frameTop = idle.end()
	setTSS(c, 0, c.frameTop)
}

// switchTo makes t the thread that resume loads.
func (c *cpuState) switchTo(t *thread) {
	now := c.now()
	old := threadAt(c.cur)
	old.ran += now - old.started
	t.started = now
	c.cur = t.self
	t.cpu = c.id
	c.frameTop = t.end()
	setTSS(c, 0, c.frameTop)
	if sched.governed == 0 {
		c.sliceEnd = now + sliceTicks
	}
}

var sliceTicks uint64 = 1 << 22

// useHandlerStack moves the stack bounds of handlers to the handler stack. The
// caller goes on with enter and calls nothing else.
func (c *cpuState) useHandlerStack() {
	low := c.kstack - handlerStack
	c.g[0], c.g[1], c.g[2], c.g[3] = low, c.kstack, low+2048, low+2048
}
