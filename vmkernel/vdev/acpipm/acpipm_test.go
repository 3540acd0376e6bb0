package acpipm

import (
	"testing"

	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/pmtimer"
	"basalt/vmkernel/vtime"
)

type pin bool

func (p *pin) Set(high bool) { *p = pin(high) }

type host struct{ offs, resets int }

func (h *host) PowerOff() { h.offs++ }
func (h *host) Reset()    { h.resets++ }

type rig struct {
	*vbus.Bus
	pm  *PM
	c   *vtime.Manual
	sci pin
	h   host
}

func newRig(t *testing.T) *rig {
	r := &rig{Bus: vbus.New(), c: vtime.NewManual(0)}
	r.pm = New(r.c, &r.sci, &r.h)
	if err := r.pm.Plug(r.Bus, pmtimer.New(r.c, true)); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) in(port uint16, n int) uint32 {
	b := make([]byte, n)
	r.ReadPort(port, b)
	v := uint32(0)
	for i := range b {
		v |= uint32(b[i]) << (8 * i)
	}
	return v
}

func (r *rig) out(port uint16, n int, v uint32) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	r.WritePort(port, b)
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestPowerOff(t *testing.T) { // 7.4.2.5: SLP_TYP and SLP_EN
	r := newRig(t)
	want(t, "SCI_EN from reset", r.in(ControlAt, 2), uint32(1))
	r.out(ControlAt, 2, S5<<10)
	want(t, "type alone does nothing", r.h.offs, 0)
	r.out(ControlAt, 2, 3<<10|1<<13)
	want(t, "S3 does not exist", r.h.offs, 0)
	r.out(ControlAt, 2, S5<<10|1<<13)
	want(t, "S5", r.h.offs, 1)
	want(t, "SLP_EN reads 0", r.in(ControlAt, 2), uint32(S5<<10|1))
	r.out(ControlAt+1, 1, (S5<<10|1<<13)>>8)
	want(t, "as a byte", r.h.offs, 2)
}

func TestPowerButton(t *testing.T) {
	r := newRig(t)
	r.pm.PowerButton()
	want(t, "disabled: no SCI", bool(r.sci), false)
	r.out(Base+2, 2, 0x120)
	want(t, "enabled", bool(r.sci), true)
	want(t, "status", r.in(Base, 2), uint32(0x100))
	r.out(Base, 2, 0x020)
	want(t, "another bit", bool(r.sci), true)
	r.out(Base, 2, 0x100)
	want(t, "cleared by a one", bool(r.sci), false)
	want(t, "4 bytes", r.in(Base, 4), uint32(0x0120_0000))
}

func TestTimerCarry(t *testing.T) { // 4.8.2.1
	r := newRig(t)
	r.out(Base+2, 2, 1)
	r.c.Advance(pmtimer.Nanos(1<<31) - 1)
	want(t, "not yet", bool(r.sci), false)
	r.c.Advance(1)
	want(t, "TMR_STS", bool(r.sci), true)
	r.out(Base, 2, 1)
	want(t, "cleared", bool(r.sci), false)
	want(t, "the timer is in the block", r.in(TimerAt, 4), uint32(1<<31))
	r.out(Base+2, 2, 0)
	want(t, "no timer when disabled", r.c.Armed(), 0)
}

func TestResetRegister(t *testing.T) { // Linux: CF9 and the FADT's register
	r := newRig(t)
	r.out(ResetPort, 1, 0x02)
	want(t, "armed", r.h.resets, 0)
	want(t, "reads back", r.in(ResetPort, 1), uint32(0x02))
	r.out(ResetPort, 1, ResetValue)
	want(t, "reset", r.h.resets, 1)
	want(t, "wide accesses are not ours", r.WritePort(0xCF8, []byte{0, 0, 0, 0}), vbus.OK)
	want(t, "and a byte of zero resets nothing", r.h.resets, 1)
}

func TestState(t *testing.T) {
	r := newRig(t)
	r.out(Base+2, 2, 0x100)
	r.pm.PowerButton()
	saved, _ := r.pm.SaveState()
	q := newRig(t)
	if err := q.pm.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	want(t, "SCI", bool(q.sci), true)
	saved[2] = 0xFF
	if q.pm.LoadState(saved) == nil {
		t.Error("a bad state was taken")
	}
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{0x22, 1, 0x12, 9, 0x42, 0x34})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newRig(t)
		for ; len(in) >= 2; in = in[2:] {
			n := 1 << (in[0] >> 6 % 3)
			port := uint16(Base) + uint16(in[0]&15)
			if in[0]&0x20 != 0 {
				r.out(port, n, uint32(in[1])*0x01010101)
			} else {
				r.in(port, n)
			}
			r.c.Jump(int64(in[1]) << 27)
			if in[1] == 7 {
				r.pm.PowerButton()
			}
		}
		saved, _ := r.pm.SaveState()
		if err := r.pm.LoadState(saved); err != nil {
			t.Fatalf("own state refused: %v", err)
		}
	})
}

func TestGeneralPurposeEvent(t *testing.T) { // 4.8.4.1
	r := newRig(t)
	r.pm.Event(GPEGenerationID)
	r.pm.Event(16) // there is none
	r.pm.Event(-1)
	want(t, "status", r.in(GPEAt, 2), uint32(1))
	want(t, "disabled: no SCI", bool(r.sci), false)
	r.out(GPEAt+2, 1, 1)
	want(t, "enabled", bool(r.sci), true)
	want(t, "4 bytes", r.in(GPEAt, 4), uint32(0x0001_0001))
	r.out(GPEAt, 1, 2)
	want(t, "another bit", bool(r.sci), true)
	r.pm.PowerButton()
	r.out(GPEAt, 1, 1)
	want(t, "cleared by a one", bool(r.sci), false)
	r.out(GPEAt+3, 1, 0x80)
	r.pm.Event(15)
	want(t, "the last one", bool(r.sci), true)
	r.pm.Reset()
	want(t, "reset", r.in(GPEAt, 4), uint32(0))
}

// TestStateVersion1 loads what was written before there were events.
func TestStateVersion1(t *testing.T) {
	r := newRig(t)
	r.pm.Event(3)
	old := []byte{1, 0, 0x00, 0x01, 0x00, 0x01, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}
	if err := r.pm.LoadState(old); err != nil {
		t.Fatal(err)
	}
	want(t, "power button", bool(r.sci), true)
	want(t, "no event", r.in(GPEAt, 2), uint32(0))
	r.pm.Event(5)
	r.out(GPEAt+2, 2, 1<<5)
	saved, _ := r.pm.SaveState()
	q := newRig(t)
	if err := q.pm.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	want(t, "events are saved", q.in(GPEAt, 4), uint32(0x0020_0020))
}

// TestLoadMovesNoLine: a carry that was due when the clock stopped is an interrupt when it
// goes on, not while the state is loaded: the controllers are loaded afterwards.
func TestLoadMovesNoLine(t *testing.T) {
	r := newRig(t)
	r.out(Base+2, 2, tmrBit)
	saved, _ := r.pm.SaveState()
	q := newRig(t)
	q.c.Jump(700e9)
	if err := q.pm.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	want(t, "SCI", bool(q.sci), false)
	q.c.Advance(0)
	want(t, "SCI when the clock runs", bool(q.sci), true)
}
