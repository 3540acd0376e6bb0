// Package local is the real host.Host: this machine, as the personality, the
// frame allocator and the network know it. World W2.
//
// Files and other long-lived memory of management come from physical frames
// outside the Go heap; a reserve stays for the kernel itself, so that an upload
// can never take the last frame.
//
// Locking: Host's fields do not change after New, but for the time to ready,
// which is atomic.
package local
