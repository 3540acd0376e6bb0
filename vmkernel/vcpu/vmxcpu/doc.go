// Package vmxcpu runs virtual CPUs with VT-x and EPT: vcpu.Engine, vcpu.Factory
// and vcpu.NestedTable over arch/x86/vmx. It is the twin of svmcpu: the same file
// names, the same loop.
//
// World: loop.go, entry.go, decode.go and what they call are W1 (they run on the
// thread's system stack, inside what the runtime believes is a blocking system
// call, with the guest's SIMD state in the processor: no allocation, no pointer
// writes, no maps, no XMM0-14). The rest is W2.
//
// Place in the data path: between the VMCS and the neutral virtual CPU. An exit
// goes Enter -> decode -> vcpu.Fast -> Enter without leaving W1 where Fast can;
// else Run returns it.
//
// One exit costs eight VMREADs, done in the assembly of Enter (RIP, RSP, RFLAGS,
// reason, qualification, instruction length, IDT vectoring, interruptibility), and the VMWRITEs of
// what has changed. Everything else is read when a handler asks, once an exit.
//
// Decisions:
//   - External interrupts exit without acknowledge-on-exit: the interrupt stays
//     pending in the local APIC, and a window of STI lets the host's ordinary IDT
//     path take it. With acknowledge the engine would have to call the IDT entry
//     by hand for no gain.
//   - The VMX-preemption timer carries vcpu.Fast.Deadline. Where it is missing,
//     hostcpu.Host.SetDeadline does.
//   - IN and OUT exit unconditionally: no port is passed through, so bitmaps
//     would only cost memory.
//   - MOV DR exits once; then the guest has the debug registers until the next
//     return to Go.
//   - System-call MSRs stay the guest's over fast exits. They are the host's
//     again before interrupts are turned on, because another thread may run then.
//   - A machine with several processors: PAUSE loops exit where the processor can and
//     give way to a thread that waits; elsewhere the scheduler's slices have to do. A
//     halted processor looks a moment for a kick before its thread sleeps
//     (hostcpu.Poll).
//   - Interrupts are lent to the virtual-APIC page where the processor delivers them
//     by itself (lend.go): no exit opens a window or ends an interrupt in x2APIC mode, but
//     for levels. Between two exits they are the APIC's again, so that nothing else has to
//     know. Before that a guest of a few instructions tries whether the processor does it
//     well (trial.go). An interrupt for a guest that runs is still a kick. Where none of
//     that is, interrupts are injected.
//   - A virtual CPU's thread stays on one processor: its VMCS is active there.
//     Detach (on that processor) makes it free to move.
//
// Specifications: SDM Vol. 3C (edition 086), chapters 25 to 30; Vol. 1, chapter
// 13 (XSAVE).
//
// # Leaks
//
// What a guest could learn by speculation, and what is done unless mitigations=off.
// arch/x86/vmx.Leaks decides from CPUID leaf 7 and IA32_ARCH_CAPABILITIES; a
// processor that says nothing gets only the first row, and its exit path is no
// instruction longer for the others. TestRemedies and TestRemediesOfEveryCombination
// there hold the decisions, mitigate_test.go here when each is done.
//
//	leak                       needed unless            what is done
//	returns after an exit      always                   two entries of the return stack and LFENCE (PBRSB), 32 when the loop is left
//	spectre v2, retbleed       no IBRS in CPUID         IBRS_ALL: IBRS set for good. Else IBRS off at entry, on at exit. IBPB when a processor changes from one guest to another
//	BHI                        BHI_NO                   BHI_DIS_S for good; else, with IBRS_ALL, 64 branches after each exit
//	L1TF                       RDCL_NO, SKIP_L1DFL      L1D flush before the first entry after code outside the run loop (L1D_FLUSH)
//	MDS                        MDS_NO                   VERW as the last instruction before each entry (MD_CLEAR)
//	TAA                        TAA_NO, no RTM           the same; a guest can use RTM though CPUID hides it
//	RFDS                       RFDS_NO                  the same (RFDS_CLEAR)
//	MMIO stale data            always                   nothing: no guest has a device's registers. Whoever gives it some needs VERW with FB_CLEAR
//	ITLB multihit              PSCHANGE_MC_NO           nothing: a guest can stop the host. It would take executable mappings of 4 KiB
//	two threads of one core    hyper-threading off      nothing: the scheduler knows no cores. L1TF and MDS reach from one thread to the other while both run: guests that do not trust each other need hyper-threading off in the firmware
//
// What stays open is reported (Factory.Findings), logged at start-up and in GET
// /api/v1/host. The run loop itself counts as harmless for the cache: it works on
// the state of the guest that it runs. SPEC_CTRL, PRED_CMD and FLUSH_CMD are not
// given to guests, so a guest's kernel cannot use IBRS or IBPB between its own
// processes; ARCH_CAPABILITIES tells it what it needs no guard against, MD_CLEAR that
// VERW works.
//
// Instructions of newer processors: PCONFIG, UMWAIT, TPAUSE, UMONITOR, XSAVES, VMFUNC
// are #UD because their controls are off; ENCLS and ENCLV exit; LOADIWKEY, user
// interrupts, protection keys, CET and FRED need bits of CR4 that guests cannot set; PT,
// LBR, PEBS, BTS and the counters need registers that get #GP, and all registers exit
// but those of passable. A guest may still lock the bus (no bus-lock detection).
//
// Locking: an Engine has one owner goroutine, locked to its thread; Kick and Poke
// are for everybody. A Table has a mutex; it waits for running engines to leave
// the guest, so that its callers must not be one of them. Lock order: Table, then
// Factory.
//
// Not supported: APIC-register virtualisation (x2APIC reads exit and FastExit answers),
// an APIC-access page (in xAPIC mode each access exits, EOI too), posted interrupts and
// IPI virtualisation (they want acknowledge-on-exit, and no emulator here has them),
// XSAVES, protection keys, CET, nested VMX, host processors that
// differ from one another.
package vmxcpu
