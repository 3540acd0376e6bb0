package emul

import (
	"bytes"
	"testing"

	"basalt/vmkernel/vcpu"
)

// port is a device whose port 0x1f0 gives 1, 2, 3 ... and keeps what is written.
type port struct {
	quiet
	next byte
	out  []byte
}

func (p *port) ReadPort(_ uint16, b []byte) {
	for i := range b {
		p.next++
		b[i] = p.next
	}
}
func (p *port) WritePort(_ uint16, b []byte) { p.out = append(p.out, b...) }

func ports(r *rig) *port {
	p := &port{quiet: quiet{r.d}}
	r.e.io = p
	r.c.r.GPR[vcpu.RDX] = 0x1f0
	return p
}

// TestStringPortsInRounds: a REP longer than maxRep goes on where it stopped, and what a
// page that is missing cuts short has read no more from the port than it stored.
func TestStringPortsInRounds(t *testing.T) {
	r := long()
	p := ports(r)
	g := &r.c.r.GPR
	_ = r.ram.Write(codeBase, bs("f3 6e"))
	data := make([]byte, 2*maxRep+5)
	for i := range data {
		data[i] = byte(i * 7)
	}
	_ = r.ram.Write(0x6000, data)
	g[vcpu.RSI], g[vcpu.RCX] = 0x6000, uint64(len(data))
	x := vcpu.Exit{PIO: vcpu.PIO{Size: 1}}
	for i, want := range []vcpu.Result{vcpu.Again, vcpu.Again, vcpu.Done} {
		if res, ev := r.e.String(r.c, &x); res != want || want == vcpu.Again && r.c.r.RIP != codeBase {
			t.Fatal(i, res, ev)
		}
	}
	if !bytes.Equal(p.out, data) || g[vcpu.RCX] != 0 || g[vcpu.RSI] != 0x6000+uint64(len(data)) || r.c.r.RIP != codeBase+2 {
		t.Errorf("%d bytes, rcx %d", len(p.out), g[vcpu.RCX])
	}
}

func TestInsMeetsAMissingPage(t *testing.T) {
	r, leafAt := small(0x7003)
	p := ports(r)
	r.ram.PutUint64(0x12000, 0x14003) // code at linear 0x5000
	r.ram.PutUint64(0x14000+5*8, 0x5003)
	_ = r.ram.Write(0x5000, bs("f3 66 6d")) // rep insw
	g := &r.c.r.GPR
	r.c.r.RIP, g[vcpu.RDI], g[vcpu.RCX] = 0x5000, 0x403ffb, 4
	x := vcpu.Exit{PIO: vcpu.PIO{Size: 2, In: true}}
	res, ev := r.e.String(r.c, &x)
	// The third word begins in the page and ends beyond it.
	if res != vcpu.Faulted || ev.Vector != vecPF || ev.CR2 != 0x404000 || ev.Error != pfW || g[vcpu.RCX] != 2 || g[vcpu.RDI] != 0x403fff || p.next != 4 {
		t.Errorf("%d %+v rcx %d rdi %x, %d bytes read", res, ev, g[vcpu.RCX], g[vcpu.RDI], p.next)
	}
	r.ram.PutUint64(leafAt+8, 0x9003)
	if res, _ := r.e.String(r.c, &x); res != vcpu.Done || g[vcpu.RCX] != 0 || p.next != 8 {
		t.Errorf("%d rcx %d", res, g[vcpu.RCX])
	}
	var a [5]byte
	var b [3]byte
	_ = r.ram.Read(0x7ffb, a[:])
	_ = r.ram.Read(0x9000, b[:])
	if a != [5]byte{1, 2, 3, 4, 5} || b != [3]byte{6, 7, 8} {
		t.Errorf("%v %v", a, b)
	}
}

// TestStringPortsInRealMode: 16-bit registers wrap, and a word at the end of the segment
// is #GP.
func TestStringPortsInRealMode(t *testing.T) {
	r := legacy()
	p := ports(r)
	r.c.s.CR0 = 0
	r.c.s.CS = vcpu.Segment{Limit: 0xffff, Attr: 0x9b}
	r.c.s.ES = vcpu.Segment{Base: 0x20000, Limit: 0xffff, Attr: 0x93}
	r.c.r.RIP = 0x1000
	_ = r.ram.Write(0x1000, bs("f3 6c f3 6d"))
	g := &r.c.r.GPR
	g[vcpu.RDI], g[vcpu.RCX] = 0xabcdfffe, 0xffff0004
	x := vcpu.Exit{PIO: vcpu.PIO{Size: 1, In: true}}
	if res, ev := r.e.String(r.c, &x); res != vcpu.Done || g[vcpu.RDI] != 0xabcd0002 || g[vcpu.RCX] != 0xffff0000 {
		t.Errorf("%d %+v rdi %x rcx %x", res, ev, g[vcpu.RDI], g[vcpu.RCX])
	}
	end, _ := r.ram.Uint16(0x2fffe)
	start, _ := r.ram.Uint16(0x20000)
	if end != 0x0201 || start != 0x0403 {
		t.Errorf("%x %x", end, start)
	}
	g[vcpu.RDI], g[vcpu.RCX] = 0xffff, 1
	x.PIO.Size = 2
	if res, ev := r.e.String(r.c, &x); res != vcpu.Faulted || ev.Vector != vecGP || p.next != 4 {
		t.Errorf("%d %+v", res, ev)
	}
	// To a device.
	r.c.s.ES.Base = devBase
	g[vcpu.RDI] = 0x10
	if res, _ := r.e.String(r.c, &x); res != vcpu.Done || r.d.mem[0x10] != 5 || r.d.mem[0x11] != 6 {
		t.Errorf("%d % x", res, r.d.mem[0x10:0x12])
	}
}
