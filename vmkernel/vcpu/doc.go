// Package vcpu is the neutral virtual CPU: exits, the exit table, CPUID and MSR
// policy, control-register rules, event injection and the paravirtual clock. It
// knows neither Intel nor AMD.
//
// World: W2, except what implements Fast (fast.go and what it calls: lookup in
// cpuid.go, the APIC and the length cache), which is W1: no allocation, maps,
// defer, panic or pointer store.
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
//   - A halted guest keeps its RIP at the HLT. AckInterrupt moves it past. So an
//     entry for any other reason executes HLT again and comes back.
//   - InstLen may be 0: the length is decoded once for each RIP and kept in a
//     small cache that Fast can read. The cache trusts that code does not change
//     its prefixes at the same address; a guest that does so deceives only itself.
//
// Saved state (state.go, state_check.go, fingerprint.go): SaveState runs on the
// owner's thread, LoadState on any, each between two calls of Run. A state comes
// from outside: every field is checked as if the guest had written it, and what
// XRSTOR, XSETBV, WRMSR or MOV DR would refuse never reaches an instruction of the
// host. Both engines write one format, but a machine goes on only on the engine
// where it began. The local APIC is loaded before (CR8 and APIC_BASE are its), the
// memory too (page-directory pointers of PAE paging are read from it again).
//
// Specifications: Intel SDM edition 084 (June 2024), AMD APM Vol. 2 rev. 3.42,
// Linux Documentation/virt/kvm/x86/{cpuid,msr}.rst of 6.1 for the paravirtual
// interface.
//
// Not supported in a saved state: a single step that VT-x holds as a pending debug
// exception; page-directory pointers that differ from those in memory; a waiting
// application processor (SIPI).
//
// Not supported: hardware task switches, SMM, performance counters, AVX-512,
// CET, LA57, protection keys, more than 8 bits of APIC ID, nested virtualisation.
package vcpu
