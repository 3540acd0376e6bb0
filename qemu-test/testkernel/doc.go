// Package testkernel is what the kernels of qemu-test share that are booted in place of the
// VMkernel and run guests by themselves: the host's engine, and a guest's image in memory.
//
// World W2.
package testkernel
