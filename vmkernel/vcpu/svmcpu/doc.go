// Package svmcpu is the AMD-V engine: vcpu.Engine and vcpu.Factory over arch/x86/svm.
// It is the twin of vmxcpu and has the same files:
//
//	factory.go   what the host offers: capabilities, per-CPU frames, shared maps
//	engine.go    one virtual CPU: construction, registers, kick
//	run.go       the run loop (W1)
//	entry.go     the crossing, and what is decided before it: events, windows, deadline (W1)
//	nmi.go       NMIs and the IRET that ends them (W1)
//	asid.go      address space identifiers of one processor (W1)
//	exit.go      EXITCODE to vcpu.Exit (W1)
//	state.go     extended state, debug registers, TSC_AUX (W1)
//	system.go    the VMCB as vcpu.System
//	table.go     nested tables and their shootdown
//	ops.go       the instructions, replaceable in tests
//	probe.go     what this machine has
//
// Data path: Run -> hostcpu.Block -> loop -> svm.Enter -> decode -> Fast.FastExit ->
// enter again, or back to ordinary Go with one filled vcpu.Exit. Nothing allocates.
//
// World: run.go, entry.go, exit.go and state.go are W1, on the thread's system stack
// with host interrupts off: no allocation, no pointer writes, no defer, no panic, and
// no XMM register but X15 (a test disassembles them). The rest is W2.
//
// Locking: one goroutine, locked to its thread, owns an engine. Others only Kick it
// or, through the nested table, ask it to flush. Two words order them: where (the
// CPU in whose guest mode the engine may be, plus one) is stored before kicked and
// the table's generation are read; Kick and the shootdown write theirs first and
// then read where.
//
// Decisions:
//
//   - An interrupt is injected by EVENTINJ when the guest can take it, otherwise V_IRQ
//     with a VINTR intercept says when it can. CR8 writes are intercepted meanwhile
//     (QEMU 7.2 aborts on them while V_IRQ is pending); else CR8 runs without exits.
//
//   - Instruction lengths come from next-RIP save, and for IN and OUT from EXITINFO2.
//     Where the processor has no next-RIP save InstLen is 0 and vcpu decodes.
//
//   - XSETBV may run without an exit (QEMU has no such intercept): XCR0 is read back
//     from the processor when the extended state is saved.
//
//   - NMIs are blocked until the IRET that ends the handler: IRET is intercepted and
//     single-stepped when one waits.
//
//   - Fast is asked for interrupts, deadline and task priority only after what can
//     have changed them: a kick, a host interrupt, a window, ordinary Go, and every
//     exit but CPUID, RDMSR, RDTSC, IN and hypercalls. Whoever raises an interrupt
//     from elsewhere therefore has to Kick.
//
//   - Debug registers are given to a guest at its first write to one.
//
//   - A machine with several processors: PAUSE loops exit where the processor has a
//     pause filter and give way to a thread that waits; elsewhere the scheduler's
//     slices have to do. A halted processor looks a moment for a kick before its
//     thread sleeps (hostcpu.Poll).
//
//   - CR8 writes are intercepted while the priority is not 0 too: an interrupt may
//     wait for a lower one.
//
// # Leaks
//
// What a guest could learn by speculation, and what is done unless mitigations=off.
// arch/x86/svm.Leaks decides from the family and CPUID leaves 80000008h and 80000021h;
// TestRemedies there holds the decisions, mitigate_test.go here when each is done.
//
//	leak                       needed on                what is done
//	returns after an exit      no automatic IBRS        two entries of the return stack, 32 when the loop is left
//	spectre v2                 all                      automatic IBRS (EFER.AIBRSE) where it is; else IBPB when the loop gives way to other host code. IBPB when a processor changes from one guest to another
//	retbleed (branch types)    Zen 1, 2 without BTC_NO  IBPB when the loop gives way
//	SRSO (return stack)        Zen 1 to 4, no SRSO_NO   the same; Zen 3 and 4 need IBPB_BRTYPE. Zen 5: BP_CFG.BP_SPEC_REDUCE
//	Zenbleed                   Zen 2                    DE_CFG bit 9 for good, unless we are a guest ourselves
//	TSA                        Zen 3, 4                 VERW as the last instruction before VMRUN (VERW_CLEAR)
//	L1TF, MDS, TAA, RFDS       none of AMD's            nothing
//
// The barrier is not raised at each exit: it costs more than the exit. The loop's own
// returns can be steered where returns can (retbleed, SRSO); no register holds a
// guest's value then, and what the loop touches is the guest's own.
// SPEC_CTRL, PRED_CMD and VIRT_SPEC_CTRL are not given to guests. XSAVES has no
// intercept; it saves nothing more than XSAVEC while IA32_XSS is 0, and that exits.
// INVLPGB, TLBSYNC and MCOMMIT are #UD: their enables are off.
//
// Not supported: AVIC (no emulator here has it; interrupts are injected), virtual NMI,
// LBR virtualization, TSC ratio; a machine check while a guest with CR4.MCE clear runs shuts the processor down.
//
// Specification: AMD64 APM Vol. 2 (publication 24593, revision 3.42), chapter 15.
package svmcpu
