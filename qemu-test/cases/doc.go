// Package cases is the table of machines that the VMkernel is booted on, and what
// must come out of each. Run it with `make cases`; -run NAME picks rows.
//
// What the guests of failed cases had on their consoles is said again behind the last
// line of the table; the rest is in build/cases.
//
// `make hostile TIME=10m SEED=1 ENGINE=vt-x` has the row TestHostile go on for longer:
// a guest attacks every device at random, beside a witness (package guests, chaos.go).
// The seed that a failure names is the guest's; time is not part of it, so the same seed
// may find the same thing only later, or never.
package cases
