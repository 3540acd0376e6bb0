// Package svm is AMD's Secure Virtual Machine: capabilities, the VMCB, intercepts,
// exit codes, permission maps, nested page tables and the world switch. It is the
// twin of package vmx and uses the same file names:
//
//	caps.go         what the processor can do, and why it cannot be used
//	vmcb.go         the control block, field by field
//	controls.go     intercept bits and control values
//	exit_reason.go  EXITCODE and its names
//	exit_info.go    EXITINFO, EXITINTINFO and EVENTINJ, decoded
//	bitmaps.go      the MSR and I/O permission maps
//	npt.go          nested page tables
//	enter_amd64.s   VMRUN and what surrounds it
//	state_amd64.s   extended state, debug registers
//
// World: enter_amd64.s, state_amd64.s and the accessors that the run loop calls are
// W0/W1. Caps, bitmaps and nested tables are W2. The data path: svmcpu's run loop
// calls Enter, reads the VMCB and decodes it with this package.
//
// Specification: AMD64 APM Vol. 2 "System Programming" (publication 24593, revision
// 3.42), chapter 15 and appendices B and C; section numbers in comments are its.
//
// Locking: a VMCB belongs to the one thread that runs it. NPT has its own lock.
//
// Not supported: SEV, AVIC, nested virtualization for guests, LBR virtualization,
// TSC ratio. No optional feature is required but nested paging; next-RIP save,
// flush-by-ASID and decode assists are used where present.
package svm
