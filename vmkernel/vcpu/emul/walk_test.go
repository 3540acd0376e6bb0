package emul

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// small maps linear 0x403000 by a 4 KiB page with the given leaf, everything above it
// for users and writes.
func small(leaf uint64) (*rig, uint64) {
	r := legacy()
	r.ram.PutUint64(0x10000, 0x11007)
	r.ram.PutUint64(0x11000, 0x12007)
	r.ram.PutUint64(0x12000+2*8, 0x13007)
	r.ram.PutUint64(0x13000+3*8, leaf)
	s := &r.c.s
	s.CR0 |= vcpu.CR0PG | vcpu.CR0WP
	s.CR3, s.CR4, s.EFER = 0x10000, vcpu.CR4PAE|vcpu.CR4SMAP|vcpu.CR4SMEP, vcpu.EFERLMA|vcpu.EFERNXE
	s.CS.Attr = 0xa09b
	return r, 0x13000 + 3*8
}

func TestSMAP(t *testing.T) {
	for _, c := range []struct {
		name  string
		leaf  uint64
		acc   access
		flags uint64
		prep  func(*vcpu.System)
		code  uint32 // ^0: it works
	}{
		{"read of a user page", 0x7007, accRead, 0, nil, pfP},
		{"write", 0x7007, accWrite, 0, nil, pfP | pfW},
		{"with AC", 0x7007, accWrite, 1 << 18, nil, ^uint32(0)},
		{"a supervisor's page", 0x7003, accWrite, 0, nil, ^uint32(0)},
		{"as a user", 0x7007, accRead, 0, func(s *vcpu.System) { s.SS.Attr |= 3 << 5 }, ^uint32(0)},
		{"SMAP off", 0x7007, accRead, 0, func(s *vcpu.System) { s.CR4 &^= vcpu.CR4SMAP }, ^uint32(0)},
	} {
		r, leafAt := small(c.leaf)
		r.c.r.RFLAGS |= c.flags
		if c.prep != nil {
			c.prep(&r.c.s)
		}
		var tg target
		ev, ok := r.e.locate(r.c, segDS, 0x403008, 4, c.acc, &tg)
		leaf, _ := r.ram.Uint64(leafAt)
		if ok != (c.code == ^uint32(0)) || !ok && (ev.Vector != 14 || ev.Error != c.code || ev.CR2 != 0x403008 || leaf&(pteA|pteD) != 0) {
			t.Errorf("%s: %v %+v leaf %x", c.name, ok, ev, leaf)
		}
		if ok && (leaf&pteA == 0 || leaf&pteD != 0 != (c.acc == accWrite)) {
			t.Errorf("%s: leaf %x", c.name, leaf)
		}
	}
}

// TestMarkingWhatHasChanged: an entry that is not what was read is left alone, and the
// walk is done again.
func TestMarkingWhatHasChanged(t *testing.T) {
	r, leafAt := small(0x7003)
	at, val := [4]uint64{leafAt}, [4]uint64{0x9003}
	if r.e.mark64(&at, &val, 0, accWrite) {
		t.Error("marked an entry that has changed")
	}
	if leaf, _ := r.ram.Uint64(leafAt); leaf != 0x7003 {
		t.Errorf("leaf %x", leaf)
	}
	if gpa, _, ok := r.e.walk(&r.c.s, 0x403000, accWrite); !ok || gpa != 0x7000 {
		t.Error(gpa, ok)
	}
	if leaf, _ := r.ram.Uint64(leafAt); leaf != 0x7063 {
		t.Errorf("leaf %x", leaf)
	}
	if res, ev := settled(vcpu.Faulted, vcpu.Event{}); res != vcpu.Again || ev.Valid {
		t.Error("tables that do not hold still are a fault")
	}
}

// TestFaultInTheSecondPage: CR2 is the first byte of the page that is missing, and the
// first page has not been written.
func TestFaultInTheSecondPage(t *testing.T) {
	r, leafAt := small(devBase | 3)
	r.c.r.GPR[vcpu.RBX] = 0x403ffc
	r.c.r.RIP = 0x5000
	// Code at linear 0x5000, in the same tables.
	r.ram.PutUint64(0x12000, 0x14003)
	r.ram.PutUint64(0x14000+5*8, 0x5003)
	_ = r.ram.Write(0x5000, bs("48 89 03"))
	x := vcpu.Exit{Mem: vcpu.Memory{GPA: devBase + 0xffc, Write: true}}
	res, ev := r.e.Memory(r.c, &x)
	if res != vcpu.Faulted || ev.Vector != 14 || ev.CR2 != 0x404000 || ev.Error != pfW || len(r.d.log) != 0 {
		t.Errorf("%d %+v %v", res, ev, r.d.log)
	}
	// With it the access goes to both.
	r.ram.PutUint64(leafAt+8, (devBase+0x3000)|3)
	r.c.r.GPR[vcpu.RAX] = 0x1122334455667788
	if res, ev := r.e.Memory(r.c, &x); res != vcpu.Done || len(r.d.log) != 2 || r.d.log[0] != "fe000ffc=88776655" || r.d.log[1] != "fe003000=44332211" {
		t.Errorf("%d %+v %v", res, ev, r.d.log)
	}
}

func TestExecuteOnlyCode(t *testing.T) {
	r := legacy()
	r.c.s.CS.Attr = 0xc099
	r.c.s.CS.Limit = 0xffffffff
	r.c.r.GPR[vcpu.RBX] = devBase
	if res, ev := r.do(devBase+0x777, 0x2e, 0x8a, 0x03); res != vcpu.Faulted || ev.Vector != 13 {
		t.Errorf("%d %+v", res, ev)
	}
}

// TestCacheAtTheEndOfAPage: code in the last bytes of a page is cached too, and is
// decoded again when either page changes.
func TestCacheAtTheEndOfAPage(t *testing.T) {
	r := long()
	r.c.r.GPR[vcpu.RBX] = devBase
	at := uint64(0x5000 - 1)
	_ = r.ram.Write(at, []byte{0x8a, 0x03})
	x := vcpu.Exit{Mem: vcpu.Memory{GPA: devBase}}
	run := func() {
		r.c.r.RIP = at
		if res, ev := r.e.Memory(r.c, &x); res != vcpu.Done {
			t.Fatal(res, ev)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if hits, misses := r.e.CacheStats(); hits != 101 || misses != 1 {
		t.Errorf("%d hits, %d misses", hits, misses)
	}
	r.d.mem[0] = 0x77
	_ = r.ram.Write(0x5000, []byte{0x0b}) // mov cl,[rbx]
	if run(); r.c.r.GPR[vcpu.RCX] != 0x77 {
		t.Error("stale decode")
	}
	if _, misses := r.e.CacheStats(); misses != 2 {
		t.Errorf("%d misses", misses)
	}
}

func TestNoAllocationWide(t *testing.T) {
	for _, code := range []string{"c5 fe 6f 0b", "c5 fe 7f 0b", "f0 48 0f c7 0b", "f3 aa", "ff 33", "f0 01 03"} {
		r := simd()
		r.c.r.GPR[vcpu.RDI], r.c.r.GPR[vcpu.RSP] = devBase, 0x6000
		_ = r.ram.Write(codeBase, bs(code))
		x := vcpu.Exit{Mem: vcpu.Memory{GPA: devBase, Write: true}}
		d := &quiet{d: r.d}
		r.e.io = d
		run := func() {
			r.c.r.RIP, r.c.r.GPR[vcpu.RCX], r.c.r.GPR[vcpu.RDI] = codeBase, 16, devBase
			if res, ev := r.e.Memory(r.c, &x); res != vcpu.Done {
				t.Fatal(code, res, ev)
			}
		}
		run()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", code, n)
		}
	}
}

// quiet is the device without its log.
type quiet struct{ d *device }

func (q *quiet) ReadPort(uint16, []byte)           {}
func (q *quiet) WritePort(uint16, []byte)          {}
func (q *quiet) ReadMMIO(gpa uint64, b []byte)     { q.d.ReadMMIO(gpa, b) }
func (q *quiet) WriteMMIO(gpa uint64, b []byte)    { copy(q.d.mem[gpa&0xfff:], b) }
func (q *quiet) Backed(uint64, bool) (bool, error) { return false, nil }
