package pic

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// TestW1 checks the object code of everything that the run loop and other
// threads call.
func TestW1(t *testing.T) {
	w1test.Fast(t, (*PIC).Pending, (*PIC).Ack, (*PIC).ReadMask, (*PIC).ReadPort, (*PIC).WritePort, line.Set)
}
