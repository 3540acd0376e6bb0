package ioapic

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// TestW1 checks the object code of everything that the run loop and other
// threads call.
func TestW1(t *testing.T) {
	w1test.Fast(t, (*IOAPIC).EOI, (*IOAPIC).ReadMMIO, (*IOAPIC).WriteMMIO, (*IOAPIC).FastReadMMIO, line.Set)
}
