// Command fair is booted in ring 0 in place of the VMkernel and measures how the
// policy of vmkernel/cpusched comes out on the personality's scheduler with real
// guests: shares, a reservation, a limit, refusals, stops of those who have next to
// nothing, machines with several virtual CPUs, and guests that leave to ordinary Go all
// the time. What counts is the time that the policy's own books give each
// guest, compared with the books of the others: how fast the emulator is, or that it
// stops for a while, does not matter.
//
// All the while one of the agent's goroutines works in small steps and sleeps
// between them, as the API does; it must never be kept waiting for two seconds.
//
// World W2. The last line is "fair: PASS" or says what was wrong.
package main
