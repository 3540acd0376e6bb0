// Package reg holds what the manuals name: MSR numbers, control-register bits,
// RFLAGS bits, exception vectors, CPUID bits, access rights of segments. Constants
// and small types only, in the manuals' spelling; no instruction is executed here.
//
// World W0: constants are usable anywhere, also before the Go runtime runs.
//
// Specifications: AMD64 APM Vol. 2 (publication 24593, revision 3.42) and Vol. 3
// (24594, revision 3.36); Intel SDM Vol. 3 and 4 (edition 086). Where the two
// vendors use one number for one thing, the name is AMD's if AMD invented it.
//
// Not here: the control structures of VT-x and AMD-V (arch/x86/vmx, arch/x86/svm).
package reg
