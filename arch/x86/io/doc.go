// Package io does port I/O and memory-mapped I/O with exact width: every call is
// one access on the bus, of that size, never merged with another and never turned
// into a read-modify-write (sync/atomic's stores are XCHG, and the compiler may
// merge plain ones).
//
// World W0/W1. Addresses are virtual; the caller has mapped them.
package io
