// Package cases is the table of machines that the VMkernel is booted on, and what
// must come out of each. Run it with `make cases`; -run NAME picks rows.
package cases
