package linux

import (
	"sync/atomic"

	"basalt/arch/x86/apic"
)

// Signals as the runtime uses them: SIGURG to preempt, faults that become Go
// panics. One level: a fault inside a handler is fatal.

const (
	sigIll  = 4
	sigTrap = 5
	sigAbrt = 6
	sigBus  = 7
	sigFPE  = 8
	sigSegv = 11
	numSigs = 65
)

// sigAction is the kernel's struct sigaction.
type sigAction struct{ handler, flags, restorer, mask uint64 }

var actions [numSigs]sigAction

const saOnStack = 0x0800_0000

// sigFrame is Linux's struct rt_sigframe on x86-64 (arch/x86/include/asm/sigframe.h)
// with what the runtime reads of it.
type sigFrame struct {
	pretcode uint64
	// struct ucontext
	flags, link        uint64
	stackSP            uint64
	stackFlags         uint64
	stackSize          uint64
	r                  [18]uint64 // r8-r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags
	segments           uint64
	err, trap, oldMask uint64
	cr2                uint64
	fpstate            uint64
	reserved           [8]uint64
	mask               uint64
	// struct siginfo
	signo, errno int32
	code, _      int32
	addr         uint64
	_            [112]byte
}

const sigFrameSize = 8 + 5*8 + 256 + 8 + 128 + 8

// raise interrupts t with signal sig, which its own instruction caused.
func raise(t *thread, sig int, code int32, addr uint64) {
	a := &actions[sig]
	if a.handler < 2 || t.inSig != 0 || t.self == this().idle {
		die(faultName(t.frame.vector), &t.frame)
	}
	push(t, sig, code, addr)
}

// signalDue says that a signal's handler can run now. A thread that has interrupts off
// is in the middle of something, as a run loop with a guest's registers live, and
// handlers run with interrupts on. It is asked again at the next interrupt: who made
// the signal pending has sent one.
func (t *thread) signalDue() bool {
	return t.pending&^t.mask != 0 && t.inSig == 0 && t.frame.rflags&(1<<9) != 0
}

// deliver starts the handler of the lowest pending signal.
func deliver(t *thread) {
	for sig := 1; sig < numSigs; sig++ {
		bit := uint64(1) << (sig - 1)
		if t.pending&^t.mask&bit == 0 {
			continue
		}
		atomic.AndUint64(&t.pending, ^bit)
		a := &actions[sig]
		if a.handler == 0 && (sig == sigAbrt || sig == sigSegv) {
			die("the Go runtime aborted", &t.frame)
		}
		if a.handler < 2 {
			continue
		}
		code := int32(-6) // SI_TKILL from the one process
		if sig == sigProf {
			code = 0x80 // SI_KERNEL: from setitimer
		}
		push(t, sig, code, uint64(mainTID))
		return
	}
}

// push builds the signal frame and points the thread at the handler.
func push(t *thread, sig int, code int32, addr uint64) {
	a := &actions[sig]
	f := &t.frame
	sp := uintptr(f.rsp) - 128
	if a.flags&saOnStack != 0 && t.altFlag&2 == 0 && !(sp >= t.altLow && sp < t.altLow+uintptr(t.altSize)) {
		sp = t.altLow + uintptr(t.altSize)
	}
	sp = (sp-sigFrameSize)&^15 - 8
	if !mm.ensure(sp, sigFrameSize) {
		die("no memory for a signal frame", f)
	}
	// SAFETY: ensure backed the frame on the thread's signal stack.
	s := (*sigFrame)(at(sp))
	*s = sigFrame{pretcode: a.restorer, stackSP: uint64(t.altLow), stackFlags: uint64(t.altFlag), stackSize: t.altSize,
		err: f.err, trap: f.vector, mask: t.mask, segments: f.cs, signo: int32(sig), code: code, addr: addr}
	s.r = [18]uint64{f.r8, f.r9, f.r10, f.r11, f.r12, f.r13, f.r14, f.r15, f.rdi, f.rsi, f.rbp, f.rbx,
		f.rdx, f.rax, f.rcx, f.rsp, f.rip, f.rflags}
	if f.vector == 14 {
		s.cr2 = addr
	}
	t.inSig = 1
	t.sigVec, t.sigNoX = f.vector, t.noX
	if f.vector != vectorSyscall && t.noX == 0 {
		t.sigxs = t.xs
	}
	t.mask |= a.mask | 1<<(sig-1)
	f.rip, f.rsp = a.handler, uint64(sp)
	f.rdi = uint64(sig)
	f.rsi = uint64(sp) + 8 + 40 + 256 + 8
	f.rdx = uint64(sp) + 8
	f.rflags = 0x202
	f.vector = vectorSyscall
}

// sigreturn ends a handler.
func sigreturn(t *thread) {
	f := &t.frame
	sp := uintptr(f.rsp) - 8
	if t.inSig == 0 || !mm.readable(sp, sigFrameSize) {
		die("rt_sigreturn without a signal", f)
	}
	// SAFETY: readable; push built it there.
	s := (*sigFrame)(at(sp))
	r := &s.r
	f.r8, f.r9, f.r10, f.r11, f.r12, f.r13, f.r14, f.r15 = r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]
	f.rdi, f.rsi, f.rbp, f.rbx, f.rdx, f.rax, f.rcx, f.rsp, f.rip = r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15], r[16]
	f.rflags = r[17] | 0x202
	t.mask = s.mask
	t.inSig = 0
	t.noX = t.sigNoX
	f.vector = t.sigVec
	if f.vector != vectorSyscall {
		f.vector = 0
		if t.noX == 0 {
			t.xs = t.sigxs
		}
	}
}

// tgkill makes sig pending for a thread.
func (c *cpuState) tgkill(tid, sig uint64) int64 {
	if sig >= numSigs {
		return -errInval
	}
	if tid == 0 || tid > MaxThreads {
		return -errSearch
	}
	sched.lock.Lock()
	result := int64(0)
	va := sched.threads[tid-1]
	if va == 0 || va == threadTaken || threadAt(va).state == stateFree {
		result = -errSearch
	} else if sig != 0 {
		t := threadAt(va)
		atomic.OrUint64(&t.pending, 1<<(sig-1))
		if t.state == stateRunning && t.cpu != c.id {
			apic.Send(cpuAt(sched.cpus[t.cpu]).apicID, vectorKick)
		}
	}
	sched.lock.Unlock()
	return result
}
