package vmx

import "testing"

func TestExitReasonNames(t *testing.T) {
	for _, tc := range []struct {
		r    ExitReason
		num  int
		name string
	}{
		{Exit_EXCEPTION_OR_NMI, 0, "EXCEPTION_OR_NMI"},
		{Exit_CPUID, 10, "CPUID"},
		{Exit_IO_INSTRUCTION, 30, "IO_INSTRUCTION"},
		{Exit_EPT_VIOLATION, 48, "EPT_VIOLATION"},
		{Exit_PREEMPTION_TIMER, 52, "PREEMPTION_TIMER"},
		{Exit_XRSTORS, 64, "XRSTORS"},
		{35, 35, "exit reason 35"},
		{4000, 4000, "exit reason 4000"},
	} {
		if int(tc.r) != tc.num || tc.r.String() != tc.name {
			t.Errorf("%d %q, want %d %q", tc.r, tc.r, tc.num, tc.name)
		}
	}
	known := 0
	for r := ExitReason(0); r < NumExitReasons; r++ {
		if r.Known() {
			known++
		}
	}
	if known != 76 {
		t.Errorf("%d reasons known", known)
	}
}

func TestQualifications(t *testing.T) {
	io := Qualification(0x3f8<<16 | 1<<5 | 1<<4 | 1<<3 | 1)
	if io.IOPort() != 0x3f8 || io.IOSize() != 2 || !io.IOIn() || !io.IOString() || !io.IORep() {
		t.Errorf("%#x", io)
	}
	cr := Qualification(9<<8 | 1<<4 | 8)
	if cr.CRNumber() != 8 || cr.CRType() != MovFromCR || cr.CRRegister() != 9 {
		t.Errorf("%#x", cr)
	}
	if l := Qualification(0xabcd<<16 | 3<<4); l.CRType() != LMSW || l.LMSWSource() != 0xabcd {
		t.Errorf("%#x", l)
	}
	dr := Qualification(3<<8 | 1<<4 | 7)
	if dr.DRNumber() != 7 || !dr.DRFrom() || dr.DRRegister() != 3 {
		t.Errorf("%#x", dr)
	}
	ept := Qualification(1<<8 | 1<<7 | 1<<4 | 1<<1)
	if !ept.EPTWrite() || ept.EPTRead() || ept.EPTFetch() || !ept.EPTPresent() || !ept.EPTLinearValid() || !ept.EPTFinal() {
		t.Errorf("%#x", ept)
	}
}

func TestInterruptionInfo(t *testing.T) {
	i := MakeInfo(13, HardwareException, true)
	if uint32(i) != 0x80000b0d || !i.Valid() || i.Vector() != 13 || i.Type() != HardwareException || !i.HasError() {
		t.Errorf("%#x", uint32(i))
	}
	if InterruptionInfo(0).Valid() {
		t.Error("0 is valid")
	}
}

func TestInstructionErrors(t *testing.T) {
	if got := InstructionError(7).String(); got != "VM entry with invalid control field(s)" {
		t.Error(got)
	}
	if got := InstructionError(99).String(); got != "VM-instruction error 99" {
		t.Error(got)
	}
}
