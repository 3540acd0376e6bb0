// Command stress is booted in ring 0 in place of the VMkernel and works the Go
// runtime hard: garbage collection under churn, goroutines, channels, mutexes,
// timers, the netpoller, nil dereferences that must become panics, and tight loops
// that only asynchronous preemption can stop. Every worker checks its own result;
// the first wrong one ends the run with its name.
//
// World W2. Arguments behind "--" on the kernel's command line: -time D (how long).
package main
