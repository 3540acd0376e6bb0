// Package vcpu is the neutral virtual CPU: exits, the exit table, CPUID and MSR
// policy, control-register rules, event injection and the paravirtual clock. It
// knows neither Intel nor AMD.
//
// World: W2, except what implements Fast and Lender (fast.go, fast_memory.go, lend.go and
// what they call: lookup in cpuid.go, the APIC, the length cache, Emulator.Quick), which
// is W1: no allocation, maps, defer, panic or pointer store.
//
// W1 may look only at memory that W2 has written before: the host backs its heap page by
// page, and cannot take a page fault with a guest's state in the processor. What is
// larger than a page is written when it is made (emul.New, gmem's frames).
//
// Place in the data path: the engine's run loop -> Fast (most exits end there)
// -> Run -> table -> a handler -> IO (vbus) or Emulator (vcpu/emul).
//
// Ownership: one goroutine owns a VCPU. Others may call Kick, Interrupt-side
// methods of the APIC, Stats and RequestStop only.
//
// Rules of the seam with an engine, beyond engine.go:
//   - Exit.Event is filled or cleared on every exit. When it is valid and the
//     kind is not an exception, the exit cut a delivery short; Run injects the
//     event again, unless the handler queued an exception, and then the two are
//     combined as the architecture says (SDM Vol. 3A, 7.15, Table 7-5).
//   - A halted guest keeps its RIP at the HLT. AckInterrupt moves it past, and
//     Lend, if the processor takes what is lent at once. So an entry for any other
//     reason executes HLT again and comes back.
//   - InstLen may be 0: the length is decoded once for each RIP and kept in a
//     small cache that Fast can read. The cache trusts that code does not change
//     its prefixes at the same address; a guest that does so deceives only itself.
//
// CPU compatibility levels (level.go, level_table.go, look.go, leaves.go): a machine keeps its level for
// life. At a level it sees exactly the level's features and a fixed identity, brand,
// cache geometry, address width and XSAVE layout; CR4, EFER, XCR0 and MSR policy follow
// from them as ever. Leaves is the fingerprint of it that a saved state carries, and
// CompareLeaves says by name what differs. Decisions: a level is hidden from CPUID, not
// from the decoder (a guest that executes POPCNT without asking gets what the processor
// does, as on every hypervisor; only what has an enabling bit in CR4, EFER or XCR0 is
// really off, and INVPCID on VT-x). The vendor is the host's: SYSCALL and SYSENTER differ between the two,
// so no saved state moves from one to the other, and the fingerprint says so. A level
// shows neither an invariant TSC nor IA32_ARCH_CAPABILITIES nor MD_CLEAR: a guest must
// not rely on what the next host may lack; it guards against everything and uses the
// paravirtual clock.
//
// Specifications: System V psABI, x86-64 supplement 1.0, 3.1.1 (levels). Intel SDM
// edition 084 (June 2024), AMD APM Vol. 2 rev. 3.42,
// Linux Documentation/virt/kvm/x86/{cpuid,msr}.rst of 6.1 for the paravirtual
// interface.
//
//   - A processor that waits for a start-up IPI is kicked into the run loop, where
//     FastExit blocks at once: the engine executes nothing.
//
// Paravirtual features for several processors: the clock is stable across them. With
// steal time registered the byte preempted is set while a processor halts, takes an
// interrupt of the host or waits for its turn (Away, Back), and with
// KVM_FEATURE_PV_TLB_FLUSH (ShowTLBFlush) a sibling asks for a flush there, without an
// interrupt. While ordinary Go handles an exit the byte stays 0: that is short, and an
// interrupt is seen before the next entry. Not offered: PV_SEND_IPI, PV_UNHALT,
// so no hypercall names a processor by its APIC ID.
//
// Topology: a package has NewCPUID's processors, each a core of one thread, and the APIC
// ID of processor n is n. With Spread it is n<<shift: a core then has room for 1<<shift
// IDs and uses the first, the shifts of leaf 0BH (AMD: 8000_0008H, and 8000_001DH and
// 8000_001EH with TOPOEXT) say so, and KVM_FEATURE_MSI_EXT_DEST_ID is offered, because
// such IDs may need more than the 8 bits of a message's destination.
//
// Saved state (state.go, state_check.go, fingerprint.go): SaveState runs on the
// owner's thread, LoadState on any, each between two calls of Run. A state comes
// from outside: every field is checked as if the guest had written it, and what
// XRSTOR, XSETBV, WRMSR or MOV DR would refuse never reaches an instruction of the
// host. Both engines write one format, but a machine goes on only on the engine
// where it began. The local APIC is loaded before (CR8 and APIC_BASE are its), the
// memory too (page-directory pointers of PAE paging are read from it again).
//
// Not supported in a saved state: a single step that VT-x holds as a pending debug
// exception; page-directory pointers that differ from those in memory.
//
// Not supported: SMM, performance counters, AVX-512, CET, LA57, protection keys, nested virtualisation.
package vcpu
