package emul

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

const (
	gdtAt  = 0x8000
	oldTSS = 0x9000
	newTSS = 0xa000

	oldSel = 0x08 // busy
	newSel = 0x10
	codeK  = 0x18
	dataK  = 0x20
	codeU  = 0x28
	dataU  = 0x30
	ldtSel = 0x38
	noCode = 0x40 // not present
	confor = 0x48 // conforming code of level 0
	last   = confor | 7
)

func desc(base, limit uint64, attr uint64) uint64 {
	return limit&0xffff | limit&0xf0000<<32 | base&0xffffff<<16 | base>>24<<56 | attr<<40
}

// tasks is a rig with two 32-bit tasks in the kernel; edit may change the new one.
func tasks(edit func(r *rig)) *rig {
	r := legacy()
	s := &r.c.s
	s.GDTR = vcpu.Table{Base: gdtAt, Limit: last}
	for sel, d := range map[uint64]uint64{
		oldSel: desc(oldTSS, 0x67, 0x8b), newSel: desc(newTSS, 0x67, 0x89),
		codeK: desc(0, 0xfffff, 0xc09b), dataK: desc(0, 0xfffff, 0xc093), codeU: desc(0, 0xfffff, 0xc0fa), dataU: desc(0, 0xfffff, 0xc0f2),
		ldtSel: desc(0xb000, 0xf, 0x82), noCode: desc(0, 0xfffff, 0xc01b), confor: desc(0, 0xfffff, 0xc09f),
	} {
		r.ram.PutUint64(gdtAt+sel, d)
	}
	s.CS.Selector, s.SS.Selector, s.DS.Selector = codeK, dataK, dataK
	s.TR = vcpu.Segment{Selector: oldSel, Base: oldTSS, Limit: 0x67, Attr: 0x8b}
	s.DR7 = 0x755
	r.c.r.GPR = [16]uint64{1, 2, 3, 4, 0x7000, 6, 7, 8}
	r.c.r.RFLAGS = 0x202
	for off, v := range map[uint64]uint32{
		tss32EIP: 0x5000, tss32EFLAGS: 0x3002, tss32EAX: 0x11, tss32EAX + 16: 0x6000, tss32EAX + 28: 0x18,
		tss32ES: dataK, tss32ES + 4: codeK, tss32ES + 8: dataK, tss32ES + 12: dataK,
	} {
		r.ram.PutUint32(newTSS+off, v)
	}
	if edit != nil {
		edit(r)
	}
	return r
}

func (r *rig) turn(from vcpu.TaskSource, sel uint16, ev vcpu.Event) (vcpu.Result, vcpu.Event) {
	x := vcpu.Exit{Kind: vcpu.KindTaskSwitch, InstLen: 7, Task: vcpu.TaskSwitch{Selector: sel, Source: from}, Event: ev}
	return r.e.TaskSwitch(r.c, &r.c.s, &x)
}

func (r *rig) word(gpa uint64) uint32 {
	v, _ := r.ram.Uint32(gpa)
	return v
}

func (r *rig) busy(sel uint64) bool { return r.word(gdtAt+sel+4)>>9&1 != 0 }

// TestTaskSwitch: what each source does with the busy bits, NT and the link, and where
// the old task goes on.
func TestTaskSwitch(t *testing.T) {
	hard := vcpu.Event{Valid: true, Vector: 14, Type: vcpu.EventException, HasError: true, Error: 0x12345}
	for _, c := range []struct {
		name       string
		from       vcpu.TaskSource
		ev         vcpu.Event
		oldBusy    bool
		eip, flags uint32 // of the old task
		link, esp  uint32 // of the new one
		nt         bool
		inner      bool // the old task was called
	}{
		{"CALL", vcpu.TaskCall, vcpu.Event{}, true, codeBase + 7, 0x202, oldSel, 0x6000, true, false},
		{"JMP", vcpu.TaskJMP, vcpu.Event{}, false, codeBase + 7, 0x202, 0, 0x6000, false, false},
		{"IRET", vcpu.TaskIRET, vcpu.Event{}, false, codeBase + 7, 0x202, 0, 0x6000, false, true},
		{"fault", vcpu.TaskGate, hard, true, codeBase, 0x202, oldSel, 0x5ffc, true, false},
		{"interrupt", vcpu.TaskGate, vcpu.Event{Valid: true, Vector: 0x40}, true, codeBase, 0x202, oldSel, 0x6000, true, false},
		{"INT n", vcpu.TaskGate, vcpu.Event{Valid: true, Vector: 0x40, Type: vcpu.EventSoftInt}, true, codeBase + 7, 0x202, oldSel, 0x6000, true, false},
	} {
		r := tasks(func(r *rig) {
			if c.inner {
				r.c.r.RFLAGS |= flagNT
				r.ram.PutUint64(gdtAt+newSel, desc(newTSS, 0x67, 0x8b))
			}
		})
		if res, ev := r.turn(c.from, newSel, c.ev); res != vcpu.Done || ev.Valid {
			t.Errorf("%s: %v %+v", c.name, res, ev)
			continue
		}
		g, s := &r.c.r, &r.c.s
		if r.busy(oldSel) != c.oldBusy || !r.busy(newSel) || s.TR.Selector != newSel || s.TR.Base != newTSS || s.TR.Attr != 0x8b {
			t.Errorf("%s: busy %v %v, TR %v", c.name, r.busy(oldSel), r.busy(newSel), s.TR)
		}
		if eip, fl := r.word(oldTSS+tss32EIP), r.word(oldTSS+tss32EFLAGS); eip != c.eip || fl != c.flags {
			t.Errorf("%s: the old task goes on at %#x with %#x", c.name, eip, fl)
		}
		if r.word(oldTSS+tss32EAX) != 1 || r.word(oldTSS+tss32EAX+28) != 8 || r.word(oldTSS+tss32ES+4) != codeK || r.word(oldTSS+tss32CR3) != 0 {
			t.Errorf("%s: the old task is not saved", c.name)
		}
		if r.word(newTSS)&0xffff != c.link || uint32(g.GPR[vcpu.RSP]) != c.esp || (g.RFLAGS&flagNT != 0) != c.nt {
			t.Errorf("%s: link %#x ESP %#x flags %#x", c.name, r.word(newTSS), g.GPR[vcpu.RSP], g.RFLAGS)
		}
		if c.ev.HasError && r.word(0x5ffc) != c.ev.Error {
			t.Errorf("%s: error code %#x", c.name, r.word(0x5ffc))
		}
		if g.RIP != 0x5000 || g.GPR[vcpu.RAX] != 0x11 || g.GPR[vcpu.RDI] != 0x18 || s.CR0&vcpu.CR0TS == 0 || s.DR7 != 0x600 {
			t.Errorf("%s: %s", c.name, vcpu.Dump(g, s))
		}
		if s.CS.Selector != codeK || s.CS.Attr != 0xc09b || s.SS.Attr != 0xc093 || s.FS.Attr&vcpu.AttrUnusable == 0 || s.CPL() != 0 {
			t.Errorf("%s: CS %v SS %v FS %v", c.name, s.CS, s.SS, s.FS)
		}
	}
}

// TestTaskSwitchRefused: a fault of the old task, and nothing has changed.
func TestTaskSwitchRefused(t *testing.T) {
	for name, c := range map[string]struct {
		sel    uint16
		edit   func(r *rig)
		vector uint8
	}{
		"null":             {0, nil, 10},
		"beyond the table": {last + 1, nil, 10},
		"in the LDT":       {newSel | 4, nil, 10},
		"no TSS":           {codeK, nil, 10},
		"an LDT":           {ldtSel, nil, 10},
		"too small":        {newSel, func(r *rig) { r.ram.PutUint64(gdtAt+newSel, desc(newTSS, 0x66, 0x89)) }, 10},
		"not present":      {newSel, func(r *rig) { r.ram.PutUint64(gdtAt+newSel, desc(newTSS, 0x67, 0x09)) }, 11},
		"no page": {newSel, func(r *rig) {
			// 4 MiB pages: all but the one with the new TSS.
			r.ram.PutUint32(0x1000, 0x83)
			r.ram.PutUint64(gdtAt+newSel, desc(0x400000, 0x67, 0x89))
			r.c.s.CR3, r.c.s.CR4 = 0x1000, vcpu.CR4PSE
			r.c.s.CR0 |= vcpu.CR0PG
		}, 14},
	} {
		r := tasks(c.edit)
		regs, sys := r.c.r, r.c.s
		if res, ev := r.turn(vcpu.TaskCall, c.sel, vcpu.Event{}); res != vcpu.Faulted || ev.Vector != c.vector || c.vector != 14 && ev.Error != uint32(c.sel&^3) {
			t.Errorf("%s: %v %+v", name, res, ev)
		}
		if r.c.r != regs || r.c.s != sys || r.word(oldTSS+tss32EIP) != 0 {
			t.Errorf("%s: something has changed", name)
		}
	}
}

// TestTaskSegments: segments that the new task cannot have are faults in it.
func TestTaskSegments(t *testing.T) {
	put := func(off uint64, v uint32) func(*rig) { return func(r *rig) { r.ram.PutUint32(newTSS+off, v) } }
	user := func(r *rig) {
		for off, v := range map[uint64]uint32{4: codeU | 3, 8: dataU | 3, 0: dataU | 3, 12: dataU | 3} {
			r.ram.PutUint32(newTSS+tss32ES+off, v)
		}
	}
	for name, c := range map[string]struct {
		edit   func(*rig)
		vector uint8 // 0: none
		code   uint32
		cpl    uint8
	}{
		"user":              {user, 0, 0, 3},
		"CS null":           {put(tss32ES+4, 0), 10, 0, 0},
		"CS data":           {put(tss32ES+4, dataK), 10, dataK, 0},
		"CS of a user":      {put(tss32ES+4, codeU), 10, codeU, 0},
		"CS not present":    {put(tss32ES+4, noCode), 11, noCode, 0},
		"CS a TSS":          {put(tss32ES+4, oldSel), 10, oldSel, 0},
		"SS null":           {put(tss32ES+8, 0), 10, 0, 0},
		"SS code":           {put(tss32ES+8, codeK), 10, codeK, 0},
		"SS of a user":      {put(tss32ES+8, dataU|3), 10, dataU, 0},
		"DS beyond":         {put(tss32ES+12, last+1), 10, last + 1, 0},
		"DS in no LDT":      {put(tss32ES+12, 0x0c), 10, 0x0c, 0},
		"DS kernel of user": {func(r *rig) { user(r); put(tss32ES+12, dataK|3)(r) }, 10, dataK, 3},
		"DS conforming":     {func(r *rig) { user(r); put(tss32ES+12, confor|3)(r) }, 0, 0, 3},
		"CS conforming": {func(r *rig) {
			user(r)
			put(tss32ES+4, confor|3)(r)
		}, 0, 0, 3},
		"LDT no LDT": {put(tss32LDT, codeK), 10, codeK, 0},
		"LDT": {func(r *rig) {
			put(tss32LDT, ldtSel)(r)
			put(tss32ES+12, 0x0c)(r)
			r.ram.PutUint64(0xb008, desc(0x1000, 0xff, 0x92))
		}, 0, 0, 0},
	} {
		r := tasks(c.edit)
		res, ev := r.turn(vcpu.TaskCall, newSel, vcpu.Event{})
		if res != vcpu.Done || ev.Valid != (c.vector != 0) || ev.Vector != c.vector || ev.Error != c.code || r.c.s.CPL() != c.cpl {
			t.Errorf("%s: %v %+v CPL %d", name, res, ev, r.c.s.CPL())
		}
		if r.c.s.TR.Selector != newSel || r.c.r.RIP != 0x5000 {
			t.Errorf("%s: not in the new task", name)
		}
		if name == "LDT" && (r.c.s.DS.Base != 0x1000 || r.c.s.LDTR.Base != 0xb000) {
			t.Errorf("LDTR %v DS %v", r.c.s.LDTR, r.c.s.DS)
		}
		if name == "user" && (r.word(gdtAt+codeU+4)>>8&1 == 0 || r.c.s.CS.Attr != 0xc0fb) {
			t.Errorf("not marked as accessed: %v", r.c.s.CS)
		}
	}
}

// TestTaskVM86: all segments are of the real mode's kind, at level 3.
func TestTaskVM86(t *testing.T) {
	r := tasks(func(r *rig) {
		r.ram.PutUint32(newTSS+tss32EFLAGS, vcpu.FlagVM|2)
		r.ram.PutUint32(newTSS+tss32ES+4, 0x4200)
	})
	if res, ev := r.turn(vcpu.TaskJMP, newSel, vcpu.Event{}); res != vcpu.Done || ev.Valid {
		t.Fatalf("%v %+v", res, ev)
	}
	if want := (vcpu.Segment{Selector: 0x4200, Base: 0x42000, Limit: 0xffff, Attr: 0xf3}); r.c.s.CS != want || r.c.s.CPL() != 3 {
		t.Errorf("CS %v SS %v", r.c.s.CS, r.c.s.SS)
	}
}

// TestTask16: to a 16-bit TSS and back.
func TestTask16(t *testing.T) {
	r := tasks(func(r *rig) {
		r.ram.PutUint64(gdtAt+newSel, desc(newTSS, 0x2b, 0x81))
		for off, v := range map[uint64]uint16{tss16IP: 0x5000, tss16FLAGS: 2, tss16AX: 0x77, tss16AX + 8: 0x6000,
			tss16ES: dataK, tss16ES + 2: codeK, tss16ES + 4: dataK, tss16ES + 6: 0, tss16LDT: 0} {
			r.ram.PutUint16(newTSS+off, v)
		}
	})
	if res, ev := r.turn(vcpu.TaskCall, newSel, vcpu.Event{}); res != vcpu.Done || ev.Valid {
		t.Fatalf("%v %+v", res, ev)
	}
	if g := &r.c.r; g.RIP != 0x5000 || g.GPR[vcpu.RAX] != 0x77 || r.c.s.TR.Attr != 0x83 {
		t.Errorf("%s", vcpu.Dump(g, &r.c.s))
	}
	if res, ev := r.turn(vcpu.TaskIRET, oldSel, vcpu.Event{}); res != vcpu.Done || ev.Valid {
		t.Fatalf("%v %+v", res, ev)
	}
	if ip, _ := r.ram.Uint16(newTSS + tss16IP); ip != 0x5007 || r.c.r.RIP != codeBase+7 || r.c.r.GPR[vcpu.RSP] != 0x7000 || r.busy(newSel) {
		t.Errorf("ip %#x, %s", ip, vcpu.Dump(&r.c.r, &r.c.s))
	}
}

// TestTaskTrap: the T bit is a #DB of the new task's first instruction.
func TestTaskTrap(t *testing.T) {
	r := tasks(func(r *rig) { r.ram.PutUint32(newTSS+tss32Trap, 1) })
	if res, ev := r.turn(vcpu.TaskCall, newSel, vcpu.Event{}); res != vcpu.Done || !ev.Valid || ev.Vector != 1 || r.c.s.DR6&dr6BT == 0 {
		t.Errorf("%v %+v DR6 %#x", res, ev, r.c.s.DR6)
	}
}

// FuzzTaskSwitch: whatever the tables hold, the state is one that a processor enters.
func FuzzTaskSwitch(f *testing.F) {
	f.Add([]byte{0}, uint16(newSel), uint8(0), uint32(0))
	f.Add([]byte{0x12, 0x34, 0x56, 0x78, 0x9a}, uint16(newSel), uint8(3), uint32(vcpu.FlagVM))
	f.Fuzz(func(t *testing.T, mess []byte, sel uint16, from uint8, flags uint32) {
		r := tasks(nil)
		for i, b := range mess {
			at := uint64(gdtAt + i*37%(last+1))
			if i%2 == 1 {
				at = uint64(newTSS + i*29%tss32Size)
			}
			if i > 40 {
				break
			}
			old, _ := r.ram.Uint8(at)
			r.ram.PutUint8(at, old^b)
		}
		r.ram.PutUint32(newTSS+tss32EFLAGS, flags)
		res, _ := r.turn(vcpu.TaskSource(from&3), sel, vcpu.Event{Valid: from&3 == 3, HasError: true, Type: vcpu.EventException})
		s := &r.c.s
		if res != vcpu.Done {
			return
		}
		if s.TR.Attr&(vcpu.AttrS|vcpu.AttrP|vcpu.AttrUnusable|7) != vcpu.AttrP|3 {
			t.Errorf("TR %v", s.TR)
		}
		if s.CS.Attr&vcpu.AttrUnusable != 0 || s.SS.Attr&vcpu.AttrUnusable != 0 || s.CS.Attr&vcpu.AttrP == 0 || s.SS.Attr&vcpu.AttrP == 0 {
			t.Errorf("CS %v SS %v", s.CS, s.SS)
		}
		if vm := r.c.r.RFLAGS&vcpu.FlagVM != 0; vm && (s.CS.Attr != 0xf3 || s.SS.Attr != 0xf3) || !vm && s.CS.Attr&typeConforming == 0 && s.CS.Attr>>5&3 != s.SS.Attr>>5&3 {
			t.Errorf("VM %v CS %v SS %v", vm, s.CS, s.SS)
		}
	})
}
