package linux

import (
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/paging"
	"basalt/vmkernel/pmem"
)

// The kernel's own stacks: for each processor one for handlers and three of the
// interrupt stack table. Each lies at the top of a slot of addresses of its own; the
// rest of the slot below it is never mapped, so that an overflow faults instead of
// running into other memory, and its address says whose it was.

const (
	stackBase = 0xffff_e000_0000_0000
	stackSlot = 128 << 10

	handlerStack = 32 << 10
	istStack     = 16 << 10
)

// Kinds of stack, in the order of their slots.
const (
	stackHandler = iota
	stackNMI
	stackDoubleFault
	stackMachineCheck
	numStacks
)

func stackSize(kind int) uintptr {
	if kind == stackHandler {
		return handlerStack
	}
	return istStack
}

// stackTop is the end of a processor's stack.
func stackTop(id uint32, kind int) uintptr {
	return stackBase + (uintptr(id)*numStacks+uintptr(kind)+1)*stackSlot
}

// newStack maps a processor's stack and gives its top; false if memory is short.
func (m *memory) newStack(id uint32, kind int) (top uintptr, ok bool) {
	size := stackSize(kind)
	pa, ok := pmem.Alloc(int(size/pageSize), pageSize, 0)
	if !ok {
		return 0, false
	}
	top = stackTop(id, kind)
	m.lock.Lock()
	ok = m.tables.Map(frames{}, uint64(top-size), pa, uint64(size), paging.RW|paging.NX|paging.A|paging.D)
	m.lock.Unlock()
	return top, ok
}

// The first processor's stacks until it has the others. A page at the foot of
// bootStack is taken out of the tables.
var (
	bootStack   [(bootStackGuard + bootStackSize) / 16][2]uint64
	earlyStacks [(3*pageSize + istStack) / 16][2]uint64
)

const (
	bootStackSize  = 32 << 10
	bootStackGuard = 2 * pageSize // a whole page is in it wherever it lies
)

// useEarlyStacks lets an exception during start-up be reported.
func (c *cpuState) useEarlyStacks() {
	low := earlyStacksAt()
	c.frameTop, c.istNMI, c.istMC = low+pageSize, low+2*pageSize, low+3*pageSize
	c.istDF = low + 3*pageSize + istStack
}

// guardBootStack takes the page away.
func (m *memory) guardBootStack() {
	va := (bootStackAt() + pageSize - 1) &^ (pageSize - 1)
	if m.tables.Split(frames{}, uint64(va)) {
		m.epoch++
		m.tables.Clear(frames{}, uint64(va))
		cpu.INVLPG(va)
	}
}

// stackOf says in which stack's slot an address lies, and whether below the stack.
func stackOf(va uintptr) (name string, below, ok bool) {
	if low := bootStackAt(); va >= low && va < low+bootStackGuard+bootStackSize {
		return "stack overflow: the stack of start-up", va < low+bootStackGuard, true
	}
	if va < stackBase || va >= stackTop(maxCPUs, 0)-stackSlot {
		return "", false, false
	}
	n := (va - stackBase) / stackSlot
	kind := int(n % numStacks)
	below = va < stackTop(uint32(n/numStacks), kind)-stackSize(kind)
	return [numStacks]string{
		"stack overflow: a processor's handler stack", "stack overflow: a processor's NMI stack",
		"stack overflow: a processor's double-fault stack", "stack overflow: a processor's machine-check stack",
	}[kind], below, true
}

// overflow is the cause of a fatal fault that a full stack made: one below the stack,
// or in the runtime's code that would give a goroutine a larger one, where Go code
// ends that finds its stack full.
func overflow(f *frame, cr2 uintptr) (cause string, ok bool) {
	if f.vector == 14 || f.vector == 8 {
		if name, below, ok := stackOf(cr2); ok && below {
			return name, true
		}
	}
	if name, _, ok := stackOf(uintptr(f.rsp)); ok && inMorestack(f.rip) {
		return name, true
	}
	return "", false
}
