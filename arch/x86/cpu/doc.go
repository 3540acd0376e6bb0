// Package cpu gives the processor's own instructions to Go, one stub for each:
// CPUID, MSRs, control registers, extended control registers, time-stamp counter
// and cache control.
//
// World W0/W1: every function is a few instructions, allocates nothing and may be
// called anywhere, also before the Go runtime runs. Most of them fault outside
// ring 0.
//
// Specifications: Intel SDM Vol. 2 (edition 086) and AMD APM Vol. 3 (3.36) for the
// instructions; the comment above each stub names the instruction.
package cpu
