package host

import (
	"fmt"
	"math/bits"
)

// MaxAPICID is the highest APIC ID that an interrupt message can have as its destination
// (KVM_FEATURE_MSI_EXT_DEST_ID: 15 bits), MaxXAPICID the highest without x2APIC mode.
const (
	MaxAPICID  = 1<<15 - 1
	MaxXAPICID = 254
)

// APICIDShift is the logarithm of how far the APIC IDs are apart: that of CPU n is
// n<<APICIDShift.
func (c *Config) APICIDShift() uint8 { return uint8(bits.Len(uint(max(c.APICIDStep, 1))) - 1) }

// LastAPICID is the highest APIC ID of all CPUs that the machine can have.
func (c *Config) LastAPICID() int { return (c.AllCPUs() - 1) << c.APICIDShift() }

// checkAPICIDs is the part of CheckDevices that is about APIC IDs.
func (c *Config) checkAPICIDs() error {
	bad := func(format string, a ...any) error { return &ConfigError{"apicIDStep", fmt.Errorf(format, a...)} }
	n := c.APICIDStep
	most, mode := MaxAPICID, ""
	if c.XAPICOnly {
		most, mode = MaxXAPICID, " without x2APIC mode"
	}
	switch last := c.AllCPUs() - 1; {
	case n == 0:
	case n < 0 || n&(n-1) != 0:
		return bad("%d, a power of two is needed", n)
	case last > 0 && n > most/last:
		return bad("%d, the last of %d CPUs would have an APIC ID over %d, the highest%s", n, last+1, most, mode)
	case n > MaxAPICID:
		return bad("%d, at most %d is possible", n, (MaxAPICID+1)/2)
	}
	return nil
}
