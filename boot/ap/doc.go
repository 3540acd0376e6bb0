// Package ap holds the trampoline that brings another processor from real mode,
// where the start-up interrupt leaves it, to the kernel in long mode.
//
// World W0 (the code) and W1 (Write, which fills the page in before the runtime
// runs). Specification: Intel SDM Vol. 3A, 9.4 "Multiple-Processor (MP)
// Initialization" and 10.8.5 "Initializing IA-32e Mode" (edition 086).
//
// Not supported: page-table roots above 4 GiB (the kernel takes its root below).
package ap
