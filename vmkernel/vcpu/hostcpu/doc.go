// Package hostcpu is what an engine asks of the host processor that it runs on:
// which CPU this is, frames for control structures, a timer that forces an exit,
// a place to sleep. The twins vmxcpu and svmcpu share it. The real answers come
// from the personality and are plugged in by the kernel's main; tests plug in
// their own, so that engines are tested by go test on any machine.
//
// World: Block and every function of Host marked W1 run inside what the runtime
// believes is a blocking system call: no allocation, no pointer writes, no maps,
// no defer, no panic. The rest is W2.
package hostcpu
