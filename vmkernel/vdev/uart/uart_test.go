package uart

import (
	"errors"
	"strings"
	"testing"

	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vtime"
)

type pin struct {
	high  bool
	rises int
}

func (p *pin) Set(high bool) {
	if high && !p.high {
		p.rises++
	}
	p.high = high
}

// wire is a Backend.
type wire struct {
	out    []byte
	in     []byte
	room   int // bytes it still takes; negative: no limit
	closed bool
}

func (w *wire) Write(p []byte) (int, error) {
	if w.closed {
		return 0, errors.New("closed")
	}
	n := len(p)
	if w.room >= 0 {
		n = min(n, w.room)
		w.room -= n
	}
	w.out = append(w.out, p[:n]...)
	return n, nil
}

func (w *wire) Receive(p []byte) int {
	n := copy(p, w.in)
	w.in = w.in[n:]
	return n
}

type rig struct {
	*UART
	c *vtime.Manual
	n pin
	w wire
}

func newRig() *rig {
	r := &rig{c: vtime.NewManual(0), w: wire{room: -1}}
	r.UART = New("com1", COM1, r.c, &r.n, &r.w)
	return r
}

func (r *rig) set(reg uint16, v ...byte) {
	for _, b := range v {
		r.WritePort(COM1+reg, []byte{b})
	}
}

func (r *rig) get(reg uint16) byte {
	b := []byte{0}
	r.ReadPort(COM1+reg, b)
	return b[0]
}

func (r *rig) input(s string) {
	r.w.in = append(r.w.in, s...)
	r.InputReady()
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestLinux8250Autoconfig(t *testing.T) { // drivers/tty/serial/8250/8250_port.c
	r := newRig()
	r.set(IER, 0)
	want(t, "IER 0", r.get(IER)&0x0F, byte(0))
	r.set(IER, 0x0F)
	want(t, "IER 0F", r.get(IER)&0x0F, byte(0x0F))
	r.set(IER, 0)
	r.set(MCR, mcrLoop|0x0A)
	want(t, "loopback", r.get(MSR)&0xF0, byte(0x90))
	r.set(MCR, 0)
	r.set(LCR, 0xBF)
	r.set(FCR, 0)
	r.set(LCR, 0)
	r.set(FCR, fcrEnable)
	want(t, "16550A", r.get(IIR)>>6, byte(3))
	r.set(LCR, 0x80)
	want(t, "no EFR", r.get(IIR) != 0, true)
	r.set(LCR, 0xBF)
	want(t, "no EFR", r.get(IIR) != 0, true)
	r.set(LCR, 0)
	r.set(FCR, fcrEnable|0x20)
	want(t, "no 64-byte FIFO", r.get(IIR)&0x20, byte(0))
	r.set(IER, 0x40)
	want(t, "no UUE bit", r.get(IER), byte(0))
	r.set(SCR, 0xA5)
	want(t, "scratch", r.get(SCR), byte(0xA5))
	r.set(LCR, lcrDLAB)
	r.set(0, 1)
	r.set(1, 2)
	want(t, "divisor", int(r.get(0))|int(r.get(1))<<8, 0x201)
}

func TestLinuxTHREBugProbe(t *testing.T) { // serial8250_do_startup
	r := newRig()
	r.set(IER, ierTHRE)
	want(t, "first", r.get(IIR)&iirNone, byte(0))
	r.set(IER, 0)
	r.set(IER, ierTHRE)
	want(t, "enabling again raises it again", r.get(IIR)&iirNone, byte(0))
	want(t, "reading IIR ended it", r.get(IIR)&iirNone, byte(iirNone))
}

func TestTransmit(t *testing.T) {
	r := newRig()
	r.set(MCR, mcrOUT2)
	r.set(IER, ierTHRE)
	want(t, "THRE interrupt", r.n.rises, 1)
	r.set(THR, []byte("hello")...)
	want(t, "sent", string(r.w.out), "hello")
	want(t, "an edge for each byte", r.n.rises, 6)
	want(t, "empty", r.get(LSR), byte(lsrTHRE|lsrTEMT))
	want(t, "IIR", r.get(IIR), byte(iirTHRE))
	want(t, "line falls", r.n.high, false)
	r.set(MCR, 0)
	r.set(THR, 'x')
	want(t, "OUT2 gates the line", r.n.high, false)
}

func TestBackPressure(t *testing.T) {
	r := newRig()
	r.set(FCR, fcrEnable)
	r.set(MCR, mcrOUT2)
	r.set(IER, ierTHRE)
	r.get(IIR)
	r.w.room = 3
	r.set(THR, []byte("abcdef")...)
	want(t, "taken", string(r.w.out), "abc")
	want(t, "not empty", r.get(LSR), byte(0))
	r.set(THR, []byte(strings.Repeat("x", 40))...)
	r.w.room = 4
	rises := r.n.rises
	r.OutputReady()
	want(t, "still not empty", r.get(LSR), byte(0))
	r.w.room = -1
	r.OutputReady()
	want(t, "rest; what did not fit into 16 is lost", string(r.w.out), "abcdef"+strings.Repeat("x", 13))
	want(t, "one interrupt when empty", r.n.rises, rises+1)
	r.w.closed = true
	r.set(THR, 'z')
	want(t, "a closed backend does not stop the guest", r.get(LSR), byte(lsrTHRE|lsrTEMT))
}

func TestReceiveWithoutFIFO(t *testing.T) {
	r := newRig()
	r.set(MCR, mcrOUT2)
	r.set(IER, ierRDA)
	r.input("ab")
	want(t, "one byte at a time", len(r.w.in), 1)
	want(t, "IIR", r.get(IIR), byte(iirRDA))
	want(t, "DR", r.get(LSR)&lsrDR, byte(lsrDR))
	want(t, "byte", r.get(RBR), byte('a'))
	want(t, "next", r.get(RBR), byte('b'))
	want(t, "line falls", r.n.high, false)
	want(t, "empty", r.get(RBR), byte(0))
}

func TestReceiveFIFOTriggerAndTimeout(t *testing.T) {
	r := newRig()
	r.set(LCR, lcrDLAB)
	r.set(0, 1)
	r.set(1, 0)
	r.set(LCR, 3)
	r.set(FCR, fcrEnable|0x80) // trigger at 8
	r.set(MCR, mcrOUT2)
	r.set(IER, ierRDA)
	r.input("1234567")
	want(t, "below the trigger", r.n.high, false)
	r.input("8")
	want(t, "at the trigger", r.get(IIR), byte(iirRDA|iirFIFO))
	r.get(RBR)
	want(t, "below again", r.get(IIR), byte(iirNone|iirFIFO))
	r.c.Advance(4*10*16*1_000_000_000/clockHz + 10)
	want(t, "character timeout", r.get(IIR), byte(iirTimeout|iirFIFO))
	want(t, "line", r.n.high, true)
	for range 7 {
		r.get(RBR)
	}
	want(t, "all read", r.get(IIR), byte(iirNone|iirFIFO))
	r.input(strings.Repeat("z", 100))
	want(t, "16 in the FIFO, the rest waits", len(r.w.in), 84)
	n := 0
	for ; r.get(LSR)&lsrDR != 0; n++ {
		r.get(RBR)
	}
	want(t, "all arrive", n, 100)
	r.input("abc")
	r.set(FCR, fcrEnable|fcrResetRX)
	want(t, "FIFO reset", r.get(LSR)&lsrDR, byte(0))
}

func TestLoopback(t *testing.T) {
	r := newRig()
	r.set(MCR, mcrLoop|mcrOUT2)
	r.set(IER, ierRDA|ierRLS)
	r.set(THR, 'q')
	want(t, "nothing leaves", len(r.w.out), 0)
	want(t, "received", r.get(IIR), byte(iirRDA))
	r.set(THR, 'r')
	want(t, "overrun", r.get(IIR), byte(iirRLS))
	want(t, "LSR", r.get(LSR)&(lsrOE|lsrDR), byte(lsrOE|lsrDR))
	want(t, "the new byte overwrote", r.get(RBR), byte('r'))
	r.input("host")
	want(t, "the wire is cut", r.get(LSR)&lsrDR, byte(0))
	r.set(MCR, 0)
	want(t, "and mended", r.get(RBR), byte('h'))
}

func TestModemStatus(t *testing.T) {
	r := newRig()
	want(t, "the other end is there", r.get(MSR), byte(msrCTS|msrDSR|msrDCD))
	r.set(MCR, mcrLoop|mcrOUT1|mcrOUT2)
	r.set(IER, ierMSR)
	want(t, "IIR", r.get(IIR), byte(iirMSR))
	want(t, "changes", r.get(MSR), byte(msrDCD|msrRI|0x03))
	want(t, "read clears them", r.get(MSR), byte(msrDCD|msrRI))
	r.set(MCR, mcrLoop|mcrOUT2)
	want(t, "trailing edge of RI", r.get(MSR), byte(msrDCD|msrTERI))
}

func TestAccessRules(t *testing.T) {
	r := newRig()
	want(t, "wide", r.ReadPort(COM1, make([]byte, 2)), vbus.BadSize)
	want(t, "wide", r.WritePort(COM1, make([]byte, 2)), vbus.BadSize)
	want(t, "other", r.ReadPort(COM1+8, make([]byte, 1)), vbus.NoRegister)
	want(t, "other", r.WritePort(COM1-1, make([]byte, 1)), vbus.NoRegister)
	r.set(LSR, 0xFF)
	r.set(MSR, 0xFF)
	want(t, "LSR is read-only", r.get(LSR), byte(lsrTHRE|lsrTEMT))
}

func TestState(t *testing.T) {
	r := newRig()
	r.set(FCR, fcrEnable|0x80)
	r.set(MCR, mcrOUT2)
	r.set(IER, ierRDA)
	r.input("abc")
	r.w.room = 0
	r.set(THR, 'x')
	saved, _ := r.SaveState()
	q := newRig()
	if err := q.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	want(t, "the transmit FIFO waits", string(q.w.out), "")
	q.OutputReady()
	want(t, "the transmit FIFO goes on", string(q.w.out), "x")
	q.c.Advance(1e9)
	want(t, "the time-out comes", q.get(IIR), byte(iirTimeout|iirFIFO))
	want(t, "data", q.get(RBR), byte('a'))
	saved[2] = 0xFF
	if err := q.LoadState(saved); err == nil {
		t.Error("a bad state was taken")
	}
}

func TestNoAllocation(t *testing.T) {
	r := newRig()
	r.w.out = make([]byte, 0, 4096)
	b := []byte{'x'}
	if n := testing.AllocsPerRun(100, func() {
		r.WritePort(COM1, b)
		r.ReadPort(COM1+LSR, b)
		r.InputReady()
		r.ReadPort(COM1, b)
		b[0] = 'x'
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{2, 0xC1, 1, 0x0F, 4, 0x18, 0, 'a', 0x80, 0, 0x40, 3})
	f.Add([]byte{3, 0x80, 0, 0, 1, 0, 3, 3, 2, 1, 0x40, 9, 0xC0, 255})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newRig()
		r.w.room = 20
		for ; len(in) >= 2; in = in[2:] {
			switch in[0] >> 6 {
			case 0:
				r.set(uint16(in[0]&7), in[1])
			case 1:
				r.input(strings.Repeat("i", int(in[1]&31)))
			case 2:
				r.get(uint16(in[0] & 7))
			case 3:
				r.c.Advance(int64(in[1]) * 1000)
				r.w.room = int(in[1])
				r.OutputReady()
			}
			if r.rx.n > r.capacity() || r.tx.n > r.capacity() || r.rx.n < 0 {
				t.Fatal("a FIFO holds too much")
			}
			if r.n.high != (r.pending() != iirNone && r.mcr&mcrOUT2 != 0) {
				t.Fatal("the line is wrong")
			}
		}
		saved, _ := r.SaveState()
		if err := r.LoadState(saved); err != nil {
			t.Fatalf("own state refused: %v", err)
		}
	})
}
