package vcpu

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

func TestFastKeepsToW1(t *testing.T) {
	w1test.Fast(t, (*VCPU).FastExit, (*VCPU).PendingInterrupt, (*VCPU).AckInterrupt, (*VCPU).Deadline,
		(*VCPU).TaskPriority, (*VCPU).SetTaskPriority, (*VCPU).TSC,
		(*VCPU).Lend, (*VCPU).Reclaim, (*VCPU).Ended, (*VCPU).X2APIC, (*VCPU).Mode)
}
