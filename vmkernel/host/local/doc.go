// Package local is the real host.Host: this machine, as the personality, the
// frame allocator and the network know it. World W2.
//
// Files and other long-lived memory of management come from physical frames
// outside the Go heap, out of the same budget as the memory of machines: an upload can
// take neither what a machine was promised nor what stays for the kernel itself.
//
// Locking: Host's fields do not change after New, but for the time to ready,
// which is atomic.
package local
