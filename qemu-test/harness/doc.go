// Package harness starts machines in QEMU and Bochs for the test table: serial
// line to a log file that tests can wait on, QEMU's monitor protocol, forwarded
// ports, time limits, and at most two emulators on the computer at once.
//
// World: the developer's computer. An emulator is ended by its own process
// handle only, never by name. Its log stays after a failure.
//
// # Known failures of the emulators
//
// What a row cannot show, or what looks like a defect of ours and is none:
//
//	QEMU 7.2   may lose an interrupt: do_vmexit changes a processor's word of
//	           pending interrupts without the lock at every #VMEXIT (its source;
//	           mended upstream later). vmkernel/linux sets a timer again whose time
//	           is past, so no processor loses its timer for good.
//	QEMU       has a data race with AMD-V, several processors and a thread for each:
//	           XRSTOR, FXRSTOR, FRSTOR and FLDENV on any processor clear IGNNE# by
//	           changing env->hflags2 of the first one without a lock (7.2,
//	           target/i386/tcg: cpu_set_fpus, cpu_clear_ignne). Meanwhile VMRUN or
//	           #VMEXIT there changes HF2_NPT in the same word, and that change can be
//	           lost. Then translations after the switch go through the wrong tables,
//	           nested or not: the guest ends with a triple fault (CR2 at
//	           IDTR.base+80h), or the host does, without a purple screen.
//	           Seen: a QEMU 7.2.0 that logs its last page faults caught the host's
//	           fault twice (host mode, CR3 and tables in memory right, hflags2 40h,
//	           walk through the nested tables of the guest that had just left).
//	           Taken from the source: who loses the change, and that the guest's
//	           fault is the same race the other way round. QEMU 10.0.2 has shown
//	           the guest's fault, and hosts that went away; its source was not read.
//	           With guests on both of two processors, debian-twice failed in 13 of 85
//	           runs of 7.2 and the row fxrstor in 6 of 6: the host's triple fault in
//	           4, a nested fault at a wrong address in 1, a hang in 1 that was not
//	           looked into. On QEMU, vmkernel/vm/ring0 runs no guests on the first
//	           processor of several, so a host with three runs them on two.
//	QEMU 7.2   aborts when a guest writes CR8 while V_IRQ is pending (svmcpu
//	           intercepts it), and in the guest db-stack, which has no AMD-V row.
//	QEMU       does not load the interrupt shadow of the VMCB at VMRUN (helper_vmrun,
//	           target/i386/tcg/sysemu/svm_helper.c): where an exit comes behind STI and
//	           another one before the next instruction, the second has no shadow, and an
//	           NMI that waits is let in. nmi-after-sti in apic of kvm-unit-tests failed.
//	           An interrupt came between STI and HLT, and the guest slept: smp-2 on
//	           amd-v/cpus=3 hung in 5 of 6 runs. svmcpu keeps the shadow itself
//	           (keepShadow), and vcpu ends the HLT.
//	QEMU       gives a guest an interrupt twice: VMRUN with an interrupt in EVENTINJ
//	           leaves its vector in exception_index (helper_vmrun), and where the
//	           thread is called away before the next #VMEXIT or exception
//	           (cpu_handle_interrupt), it is delivered again there, whatever IF is.
//	           With a thread for each processor that happens when the buffer of
//	           translations is full, and a machine restored in other memory needs new
//	           ones: "make cycles LOAD=debian" on three processors ended after 41 cycles
//	           with a double fault on the first instruction behind SYSCALL, IF clear,
//	           and after 29 with a guest that stood still. With tb-size=32 a guest hung
//	           in the third: handle_edge_irq, IF clear, interrupted by its own vector.
//	           The buffer is as large as can be, and long runs have one processor,
//	           where the thread itself ends its translations. With -icount the thread
//	           is called away at the end of each slice: a Debian with systemd that boots
//	           from a disk stood still in a spin lock each time. The log (-d int) has
//	           vector 29h twice in a row, the second with IF clear, and no interrupt of
//	           the host between.
//	QEMU 7.2   pushes the flags of a fault without RF. Directly on it, without Basalt,
//	           the check of #UD in idt_test of kvm-unit-tests fails, and that of #GP
//	           comes to no end: MOV to CR4 of all ones is taken.
//	QEMU 7.2   has no VM_CR: AMD-V locked off by the firmware has no row.
//	Bochs 2.7  does not end a guest that has cleared IF for an external interrupt:
//	           vmxcpu bounds each stay by the preemption timer and lets interrupts in
//	           every 1024 exits. Without that the guest loop-cpuid on a host with one
//	           processor kept the API silent for minutes.
//	Bochs 2.7  delivers a virtual interrupt to a guest that has cleared IF, when an
//	           interrupt of the host's ends the guest's stay: InterruptAcknowledge
//	           (cpu/event.cc) asks whether one is pending, not whether it is masked.
//	           vmxcpu.Try sees it at start-up, and interrupts are injected there;
//	           TestVirtualInterrupts lets the processor deliver all the same, to
//	           guests that do not mind. A Debian booted so too, by hand.
//	Bochs 2.7  seems to compute AVX-512 wrongly (model corei7_icelake_u): whole size
//	           classes of TestExpandAVX512 of Go's internal/runtime/gc/scan fail there
//	           with the collector off, and with it on the heap is soon corrupt. No
//	           rows use that model; a host with AVX-512 has been seen nowhere, so that
//	           the saving of its registers is tested nowhere either.
//	Bochs 2.7  resets with IA32_FEATURE_CONTROL locked and VT-x on: VT-x locked off
//	           by the firmware has no row.
//
// Specifications: QEMU 7.2 "QEMU Machine Protocol"; Bochs 2.7 bochsrc(5).
package harness
