package lapic

import "testing"

// Linux sets the read-only bits when it restores virtual wire mode at power-off.
func TestReadOnlyBitsOfAnLVTEntryAreNotReserved(t *testing.T) {
	a := NewSet(Config{X2APIC: true}).APIC(0)
	if !a.SetBase(DefaultBase|BaseBSP|BaseEN|BaseEXTD, 40) {
		t.Fatal("no x2APIC mode")
	}
	if !a.WriteMSR(MSRx2APIC+LVT0>>4, 0x5700, 0) {
		t.Fatal("#GP")
	}
	if v, _ := a.ReadMSR(MSRx2APIC+LVT0>>4, 0); v != 0x10700 {
		t.Errorf("LVT0 %#x", v)
	}
	if a.WriteMSR(MSRx2APIC+LVT0>>4, 1<<11, 0) {
		t.Error("a reserved bit is taken")
	}
}
