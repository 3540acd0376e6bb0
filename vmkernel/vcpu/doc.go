// Package vcpu is the neutral virtual CPU: exits, the exit table, CPUID and MSR
// policy, event injection and instruction emulation. It knows neither Intel nor
// AMD. World W2, except what implements Fast, which is W1.
package vcpu
