// Package vmx is Intel VT-x with EPT: capability checks, the VMCS and its
// fields, execution controls, decoded exits, nested page tables, and the few
// instructions that Go cannot express. It is the twin of arch/x86/svm: the same
// file names hold the same concepts.
//
// World: the table code (caps, controls, fields, names, ept, check) is ordinary
// Go without hardware and runs under go test anywhere; the stubs in ops_amd64.s
// and enter_amd64.s are W0; what wraps them (Read, Write, Enter) is W1: it does
// not allocate, write pointers or panic.
//
// Place in the data path: the bottom. vmkernel/vcpu/vmxcpu owns the run loop and
// turns what this package decodes into a neutral vcpu.Exit.
//
// Specification: Intel 64 and IA-32 Architectures Software Developer's Manual,
// Vol. 3C (chapters 25 to 30: VMCS, entries, exits, EPT; appendices A, B, C:
// capability MSRs, field encodings, basic exit reasons), edition 086. Section
// numbers in this package are those of that edition.
//
// Locking: none. A VMCS belongs to the processor on which it is current; who
// calls Read or Write must keep interrupts off (or the thread on its processor)
// from Load to the last access.
//
// Not supported: processors without EPT or unrestricted guest (both are
// required, by name), SMM transfer monitors, posted interrupts, SGX, CET state,
// FRED, nested VMX (no VMCS shadowing), TDX.
package vmx
