package postcode

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

func TestW1(t *testing.T) {
	w1test.Fast(t, (*PostCode).ReadPort, (*PostCode).WritePort)
}
