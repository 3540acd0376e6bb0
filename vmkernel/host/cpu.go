package host

// CPUSpec is what a virtual machine is entitled to of the host's processors. The
// zero value asks for nothing in particular.
type CPUSpec struct {
	// Shares weigh the machine against others that want to run: one with twice as
	// many gets twice the time. 1 to 100000; 0: 1000 for each virtual
	// CPU that it has at the start.
	Shares int
	// Reservation is what it gets whenever it wants that, in thousandths of a host
	// processor. A start is refused if the host has promised too much already.
	Reservation int
	// Limit is what it never exceeds for long, in thousandths of a host processor,
	// even if nobody else wants to run; 0: no limit.
	Limit int
}
