package vm

import (
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vcpu/w1test"
)

func TestLocalAPICKeepsToW1(t *testing.T) {
	w1test.Fast(t, (*localAPIC).ReadMSR, (*localAPIC).WriteMSR, (*localAPIC).WriteEOI, (*localAPIC).Pending, (*localAPIC).Accept,
		(*localAPIC).EOI, (*localAPIC).CanSkipEOI, (*localAPIC).TPR, (*localAPIC).SetTPR,
		(*localAPIC).DeadlineTSC, (*localAPIC).HasEvents, (*cpuIO).FastReadPort, (*cpuIO).FastWritePort,
		(*cpuIO).FastReadMMIO, (*cpuIO).FastWriteMMIO, (*localAPIC).Lend, (*localAPIC).Reclaim, (*localAPIC).Ended, (*localAPIC).X2APIC, (*machineTime).TSC,
		(*gmem.Memory).Load, (*gmem.Memory).Store, (*gmem.Memory).Contains)
}
