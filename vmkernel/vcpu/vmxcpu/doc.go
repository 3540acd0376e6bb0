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
//   - A virtual CPU's thread stays on one processor: its VMCS is active there.
//     Detach (on that processor) makes it free to move.
//
// Specifications: SDM Vol. 3C (edition 086), chapters 25 to 30; Vol. 1, chapter
// 13 (XSAVE).
//
// Locking: an Engine has one owner goroutine, locked to its thread; Kick and Poke
// are for everybody. A Table has a mutex; it waits for running engines to leave
// the guest, so that its callers must not be one of them. Lock order: Table, then
// Factory.
//
// Not supported: APIC-register virtualisation (needs the APIC's registers in a
// page of the engine's; x2APIC reads exit and FastExit answers), posted
// interrupts, XSAVES, protection keys, CET, nested VMX, host processors that
// differ from one another.
package vmxcpu
