package emul

import (
	"encoding/binary"

	"basalt/vmkernel/vcpu"
)

// Offsets in a 32-bit and in a 16-bit TSS (SDM Vol. 3A, 8.2.1, 8.6).
const (
	tss32CR3    = 0x1c
	tss32EIP    = 0x20
	tss32EFLAGS = 0x24
	tss32EAX    = 0x28
	tss32ES     = 0x48 // then CS, SS, DS, FS, GS, LDT, four bytes each
	tss32LDT    = 0x60
	tss32Trap   = 0x64
	tss32Size   = 0x68

	tss16IP    = 0x0e
	tss16FLAGS = 0x10
	tss16AX    = 0x12
	tss16ES    = 0x22 // then CS, SS, DS
	tss16LDT   = 0x2a
	tss16Size  = 0x2c
)

// Bits of a TSS descriptor's type.
const (
	tssBusy = 1 << 1
	tss32   = 1 << 3
)

const (
	flagNT   = 1 << 14
	dr6BT    = 1 << 15
	dr7Local = 0x155 // L0 to L3 and LE
)

// task is a TSS.
type task struct {
	wide bool // 32 bits
	b    [tss32Size]byte
}

func newTask(wide bool) (t task, n uint64) {
	if wide {
		return task{wide: true}, tss32Size
	}
	return task{}, tss16Size
}

// saved are the bytes that the processor writes when the task ends.
func (t *task) saved() (from, to int) {
	if t.wide {
		return tss32EIP, tss32LDT
	}
	return tss16IP, tss16LDT
}

// TaskSwitch implements vcpu.Emulator. The processor has checked the instruction, the
// gate and the privileges; what is left are the descriptor of the new TSS and both TSSs
// (SDM Vol. 3A, 8.3). Memory of the old task that a fault could concern is looked at
// before anything is written.
func (e *Emulator) TaskSwitch(c vcpu.CPU, s *vcpu.System, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	r, from, sel := c.Regs(), x.Task.Source, x.Task.Selector
	at := s.GDTR.Base + uint64(sel&^7)
	bad := fault(vecTS, uint32(sel&^3))
	if uint32(sel|7) > uint32(s.GDTR.Limit) || sel&4 != 0 || sel&^3 == 0 {
		return vcpu.Faulted, bad
	}
	raw, ev, ok := e.descriptor(s, at)
	if !ok {
		return settled(vcpu.Faulted, ev)
	}
	next := unpack(sel, raw)
	into, size := newTask(next.Attr&tss32 != 0)
	switch {
	case next.Attr&vcpu.AttrP == 0:
		return vcpu.Faulted, fault(vecNP, uint32(sel&^3))
	case next.Attr&(vcpu.AttrS|5) != 1, uint64(next.Limit) < size-1:
		return vcpu.Faulted, bad
	}
	old, _ := newTask(s.TR.Attr&tss32 != 0)
	first, last := old.saved()
	nested := from == vcpu.TaskCall || from == vcpu.TaskGate
	ends, begins := from == vcpu.TaskIRET || from == vcpu.TaskJMP, from != vcpu.TaskIRET // what becomes of the busy bits
	var oldAt, nextAt, descAt, oldDescAt span
	for _, p := range []struct {
		to    *span
		lin   uint64
		n     int
		write bool
	}{{&oldAt, s.TR.Base + uint64(first), last - first, true}, {&nextAt, next.Base, int(size), nested},
		{&descAt, at, 8, begins}, {&oldDescAt, s.GDTR.Base + uint64(s.TR.Selector&^7), 8, ends}} {
		acc := accRead
		if p.write {
			acc = accWrite
		}
		if ev, ok := e.system(s, p.lin, uint64(p.n), acc, p.to); !ok {
			return settled(vcpu.Faulted, ev)
		}
	}
	old.save(s, r, x)
	if from == vcpu.TaskIRET {
		old.put(tss32EFLAGS, tss16FLAGS, r.RFLAGS&^flagNT)
	}
	e.put(&oldAt, old.b[first:last])
	if ends {
		e.busy(&oldDescAt, false)
	}
	e.get(&nextAt, into.b[:size])
	if nested {
		binary.LittleEndian.PutUint16(into.b[:], s.TR.Selector)
		e.put(&nextAt, into.b[:2])
	}
	if begins {
		e.busy(&descAt, true)
	}
	next.Attr |= tssBusy
	s.TR = next
	ev = e.begin(s, r, &into, x, nested)
	return vcpu.Done, ev
}

// busy sets or clears the bit of a TSS descriptor.
func (e *Emulator) busy(at *span, on bool) {
	var b [8]byte
	e.get(at, b[:])
	if b[5] &^= tssBusy; on {
		b[5] |= tssBusy
	}
	e.put(at, b[:])
}

// put writes a field, which is elsewhere in a 16-bit TSS, and get reads it.
func (t *task) put(wide, narrow int, v uint64) {
	if t.wide {
		binary.LittleEndian.PutUint32(t.b[wide:], uint32(v))
	} else {
		binary.LittleEndian.PutUint16(t.b[narrow:], uint16(v))
	}
}

func (t *task) get(wide, narrow int) uint64 {
	if t.wide {
		return uint64(binary.LittleEndian.Uint32(t.b[wide:]))
	}
	return uint64(binary.LittleEndian.Uint16(t.b[narrow:]))
}

// save is the old task's state as it goes on later: behind the instruction, or at the
// one that an event has interrupted.
func (t *task) save(s *vcpu.System, r *vcpu.Regs, x *vcpu.Exit) {
	eip := r.RIP
	if x.Task.Source != vcpu.TaskGate || x.Event.Type == vcpu.EventSoftInt {
		eip += uint64(x.InstLen)
	}
	t.put(tss32EIP, tss16IP, eip)
	t.put(tss32EFLAGS, tss16FLAGS, r.RFLAGS)
	for i := range 8 {
		t.put(tss32EAX+4*i, tss16AX+2*i, r.GPR[i])
	}
	for i, g := range []*vcpu.Segment{&s.ES, &s.CS, &s.SS, &s.DS, &s.FS, &s.GS} {
		if t.wide {
			binary.LittleEndian.PutUint16(t.b[tss32ES+4*i:], g.Selector)
		} else if i < 4 {
			binary.LittleEndian.PutUint16(t.b[tss16ES+2*i:], g.Selector)
		}
	}
}

// begin loads the new task's registers. A fault from here on is one of the new task.
func (e *Emulator) begin(s *vcpu.System, r *vcpu.Regs, t *task, x *vcpu.Exit, nested bool) vcpu.Event {
	if t.wide && s.CR0&vcpu.CR0PG != 0 {
		s.CR3 = uint64(binary.LittleEndian.Uint32(t.b[tss32CR3:]))
	}
	s.CR0 |= vcpu.CR0TS
	s.DR7 &^= dr7Local
	s.InterruptShadow = false
	r.RIP = t.get(tss32EIP, tss16IP)
	r.RFLAGS = t.get(tss32EFLAGS, tss16FLAGS)&flagsKept | 2
	if nested {
		r.RFLAGS |= flagNT
	}
	for i := range 8 {
		r.GPR[i] = t.get(tss32EAX+4*i, tss16AX+2*i)
	}
	var sel [6]uint16 // in the order of the encoding
	for i := range sel {
		switch {
		case t.wide:
			sel[i] = binary.LittleEndian.Uint16(t.b[tss32ES+4*i:])
		case i < 4:
			sel[i] = binary.LittleEndian.Uint16(t.b[tss16ES+2*i:])
		}
	}
	ev, ok := e.segments(s, uint16(t.get(tss32LDT, tss16LDT)), &sel, r.RFLAGS&vcpu.FlagVM != 0)
	if ok && x.Task.Source == vcpu.TaskGate && x.Event.HasError {
		ev, ok = e.pushError(s, r, t.wide, x.Event.Error)
	}
	switch {
	case !ok && ev.Valid:
		return ev
	case !ok: // tables that do not hold still: there is no way back to try again
		return fault(vecTS, uint32(s.TR.Selector&^3))
	}
	if t.wide && t.b[tss32Trap]&1 != 0 {
		s.DR6 |= dr6BT
		return vcpu.Event{Valid: true, Vector: vecDB, Type: vcpu.EventException}
	}
	return vcpu.Event{}
}

// flagsKept are the flags that there are (SDM Vol. 1, 3.4.3).
const flagsKept = 0x3f7fd7

// pushError puts an event's error code on the new task's stack, as wide as its TSS.
func (e *Emulator) pushError(s *vcpu.System, r *vcpu.Regs, wide bool, code uint32) (vcpu.Event, bool) {
	n := uint8(2)
	if wide {
		n = 4
	}
	width := stackWidth(s)
	sp := (r.GPR[vcpu.RSP] - uint64(n)) & sizeMask(width)
	lin, ev, ok := linear(s, segSS, sp, n, accWrite)
	if !ok {
		return ev, false
	}
	acc := accWrite
	if smap(r, s) {
		acc |= accSMAP
	}
	var at span
	if ev, ok := e.cross(s, lin, uint64(n), acc, &at); !ok {
		return ev, false
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], code)
	e.put(&at, b[:n])
	set(r, vcpu.RSP, width, false, sp)
	return vcpu.Event{}, true
}
