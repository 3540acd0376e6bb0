package linux

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// TestNothingUnderALockCanBePreempted: ordinary Go calls these.
func TestNothingUnderALockCanBePreempted(t *testing.T) {
	w1test.Whole(t, KickCPU, Contended, Yield, Unpark, Ring, logPiece, copyLog, irqOff, irqOn)
}

func TestLogWithoutASerialLine(t *testing.T) {
	if CPUs() != 0 {
		t.Skip("the kernel's own log is in use")
	}
	old := tty
	defer func() { tty = old }()
	for i := range 3 * logSize {
		ttyPut(byte('a' + i%26))
		if i%100 == 99 {
			ttyPut('\n')
		}
	}
	ttyPump(1) // no line: nothing is left to send
	if ttyBehind() || tty.sent != tty.n {
		t.Errorf("behind without a line: %d of %d", tty.sent, tty.n)
	}
	if last := tty.ring[(tty.n-1)%logSize]; last != byte('a'+(3*logSize-1)%26) {
		t.Errorf("the last byte is %q", last)
	}
}
