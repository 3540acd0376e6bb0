package lapic

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// TestW1 checks the object code of everything that the run loop and other
// threads call.
func TestW1(t *testing.T) {
	w1test.Fast(t,
		(*APIC).Accept, (*APIC).Post, (*APIC).LINT0, (*APIC).LINT1, (*APIC).ExtINTOpen, (*APIC).TakeEvents,
		(*APIC).Pending, (*APIC).Requested, (*APIC).Ack, (*APIC).EOI, (*APIC).EOISkippable, (*APIC).SelfIPI,
		(*APIC).Lend, (*APIC).Reclaim, (*APIC).Ended,
		(*APIC).CR8, (*APIC).SetCR8, (*APIC).SetBase, (*APIC).Init,
		(*APIC).ReadMSR, (*APIC).WriteMSR, (*APIC).Read, (*APIC).ReadSilent, (*APIC).Write, (*APIC).ReadBytes, (*APIC).WriteBytes,
		(*APIC).TSCDeadline, (*APIC).SetTSCDeadline, (*APIC).Deadline, (*APIC).Expire,
		(*Set).Signal, (*Set).Deliver,
	)
}
