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
//	QEMU 7.2   aborts when a guest writes CR8 while V_IRQ is pending (svmcpu
//	           intercepts it), and in the guest db-stack, which has no AMD-V row.
//	QEMU 7.2   has no VM_CR: AMD-V locked off by the firmware has no row.
//	Bochs 2.7  does not end a guest that has cleared IF for an external interrupt:
//	           vmxcpu bounds each stay by the preemption timer and lets interrupts in
//	           every 1024 exits. Without that the guest loop-cpuid on a host with one
//	           processor kept the API silent for minutes.
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
