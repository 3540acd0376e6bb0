package emuldiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"basalt/qemu-test/guests"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/emul"
)

const (
	codeAt  = 0x10_0000
	ramSize = 2 << 20 // the guest's page is beyond it
	xmmAt   = 160     // in the XSAVE area (SDM Vol. 1, 10.5.1 and 13.4)
	xstate  = 512
	ymmAt   = 576
)

// machine is a processor whose page at guests.EmulPage is a device.
type machine struct {
	r    vcpu.Regs
	s    vcpu.System
	area [832]byte
	page [4096]byte
	ram  *gmem.Memory
	e    *emul.Emulator
	bad  string // the first access that no bus carries
}

func (m *machine) Regs() *vcpu.Regs     { return &m.r }
func (m *machine) Mode() *vcpu.System   { return &m.s }
func (m *machine) System() *vcpu.System { return &m.s }
func (m *machine) XSAVE() []byte        { return m.area[:] }

func (m *machine) at(gpa uint64, p []byte) []byte {
	n := len(p)
	if gpa < guests.EmulPage || gpa+uint64(n) > guests.EmulPage+4096 || n != 1 && n != 2 && n != 4 && n != 8 {
		if m.bad == "" {
			m.bad = fmt.Sprintf("an access of %d bytes at %#x", n, gpa)
		}
		return make([]byte, n)
	}
	return m.page[gpa-guests.EmulPage:][:n]
}

func (m *machine) ReadMMIO(gpa uint64, p []byte)     { copy(p, m.at(gpa, p)) }
func (m *machine) WriteMMIO(gpa uint64, p []byte)    { copy(m.at(gpa, p), p) }
func (m *machine) ReadPort(uint16, []byte)           {}
func (m *machine) WritePort(uint16, []byte)          {}
func (m *machine) Backed(uint64, bool) (bool, error) { return false, nil }

// newMachine is a processor in flat 32-bit mode without paging.
func newMachine() *machine {
	m := &machine{ram: gmemtest.New(ramSize)}
	m.e = emul.New(m.ram, m, 40)
	flat := vcpu.Segment{Limit: 0xffffffff, Attr: 0xc093}
	m.s = vcpu.System{CR0: vcpu.CR0PE, CR4: vcpu.CR4OSFXSR, SS: flat, DS: flat, ES: flat, FS: flat, GS: flat, XCR0: 1}
	m.s.CS = vcpu.Segment{Limit: 0xffffffff, Attr: 0xc09b}
	return m
}

// newMachine64 is one in 64-bit mode, whose tables map the first GiB where it is.
func newMachine64() *machine {
	m := newMachine()
	m.ram.PutUint64(0x1000, 0x2000|3)
	m.ram.PutUint64(0x2000, 0x83)
	m.s.CR0 |= vcpu.CR0PG
	m.s.CR3, m.s.CR4, m.s.EFER = 0x1000, vcpu.CR4PAE|vcpu.CR4OSFXSR|vcpu.CR4OSXSAVE, vcpu.EFERLME|vcpu.EFERLMA
	m.s.CS.Attr, m.s.XCR0 = 0xa09b, 7
	return m
}

// prepare is the state before a row.
func (m *machine) prepare(code []byte, flags uint32, gpr [8]uint64) error {
	pattern := guests.EmulPattern()
	m.page, m.bad = [4096]byte{}, ""
	copy(m.page[:], pattern[:])
	clear(m.area[:])
	m.area[xstate] = 3
	if !m.s.Long() {
		copy(m.area[xmmAt:], pattern[:32])
	} else {
		m.area[xstate] = 7
		for n := range 2 {
			copy(m.area[xmmAt+16*n:][:16], pattern[32*n:])
			copy(m.area[ymmAt+16*n:][:16], pattern[32*n+16:])
		}
	}
	m.r = vcpu.Regs{RIP: codeAt, RFLAGS: uint64(flags)}
	copy(m.r.GPR[:], gpr[:])
	return m.ram.Write(codeAt, code)
}

// run executes the instruction. exact gives the emulator the address that the processor
// would report; otherwise it has to find it.
func (m *machine) run(code []byte, exact bool) error {
	for n := 0; m.r.RIP == codeAt; n++ {
		x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: guests.EmulEBX, Write: true}}
		if !exact {
			x.Mem.GPA ^= 0x777
		}
		if res, ev := m.e.Memory(m, &x); res != vcpu.Done && res != vcpu.Again || n == 8 {
			return fmt.Errorf("result %d %+v", res, ev)
		}
	}
	if m.bad != "" {
		return errors.New(m.bad)
	}
	if m.r.RIP != codeAt+uint64(len(code)) {
		return fmt.Errorf("RIP %#x", m.r.RIP)
	}
	return nil
}

func (m *machine) memory(w []uint32) []uint32 { return words(w, m.page[:guests.EmulMemory]) }

func words(w []uint32, p []byte) []uint32 {
	for ; len(p) > 0; p = p[4:] {
		w = append(w, binary.LittleEndian.Uint32(p))
	}
	return w
}

// result32 is what the guest "emul" prints.
func (m *machine) result32() (w []uint32, err error) {
	for i := range 8 {
		if m.r.GPR[i]>>32 != 0 {
			return nil, fmt.Errorf("register %d is %#x", i, m.r.GPR[i])
		}
		w = append(w, uint32(m.r.GPR[i]))
	}
	w = m.memory(append(w, uint32(m.r.RFLAGS)))
	return words(w, m.area[xmmAt:][:32]), nil
}

// result64 is what the guest "emul64" prints.
func (m *machine) result64() (w []uint32, err error) {
	for i := range 8 {
		w = append(w, uint32(m.r.GPR[i]), uint32(m.r.GPR[i]>>32))
	}
	w = m.memory(append(w, uint32(m.r.RFLAGS)))
	for n := range 2 {
		w = words(w, m.area[xmmAt+16*n:][:16])
		w = words(w, m.area[ymmAt+16*n:][:16])
	}
	return w, nil
}

// parse reads the guest's lines of n words.
func parse(console string, n int) map[string][]uint32 {
	out := map[string][]uint32{}
	for line := range strings.Lines(console) {
		line = strings.TrimRight(line, "\r\n")
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || len(line)-i-1 != 8*n {
			continue
		}
		w := make([]uint32, n)
		for j := range w {
			v, err := strconv.ParseUint(line[i+1+8*j:][:8], 16, 32)
			if err != nil {
				break
			}
			w[j] = uint32(v)
		}
		out[line[:i]] = w
	}
	return out
}

// comparison collects differences.
type comparison struct {
	native      map[string][]uint32
	m           *machine
	flags       int // index of the word
	result      func() ([]uint32, error)
	differences []string
	compared    int
}

// Compare says what the emulator does other than the processor of the guest "emul" did, a
// line each, and how many results there were to compare. A result that the guest did not
// print is a difference.
func Compare(console string) (differences []string, compared int) {
	m := newMachine()
	c := comparison{native: parse(console, guests.EmulWords), m: m, flags: guests.EmulFlags, result: m.result32}
	for _, row := range guests.EmulRows() {
		for i, in := range guests.EmulInputs {
			in = row.Input(in)
			c.row(row, i, in.Flags, [8]uint64{uint64(in.EAX), uint64(in.ECX), uint64(in.EDX), guests.EmulEBX,
				guests.EmulESP, guests.EmulEBP, guests.EmulESI, guests.EmulEDI})
		}
	}
	return c.differences, c.compared
}

// Compare64 is Compare for the guest "emul64".
func Compare64(console string) (differences []string, compared int) {
	m := newMachine64()
	c := comparison{native: parse(console, guests.Emul64Words), m: m, flags: guests.Emul64Flags, result: m.result64}
	for _, row := range guests.Emul64Rows() {
		for i, in := range guests.Emul64Inputs {
			in = row.Input64(in)
			c.row(row, i, in.Flags, [8]uint64{in.RAX, in.RCX, in.RDX, guests.EmulEBX,
				guests.EmulESP, guests.EmulEBP, guests.EmulESI, guests.EmulEDI})
		}
	}
	return c.differences, c.compared
}

// row compares one instruction with one input, with the operand's address and without.
func (c *comparison) row(row guests.EmulRow, input int, flags uint32, gpr [8]uint64) {
	key := fmt.Sprintf("%s/%d", row.Name, input)
	want, ok := c.native[key]
	if !ok {
		c.differences = append(c.differences, key+": the guest says nothing")
		return
	}
	c.compared++
	want = slices.Clone(want)
	want[c.flags] &^= row.Undefined
	for _, exact := range []bool{true, false} {
		var got []uint32
		err := c.m.prepare(row.Code, flags, gpr)
		if err == nil {
			err = c.m.run(row.Code, exact)
		}
		if err == nil {
			got, err = c.result()
		}
		if err != nil {
			c.differences = append(c.differences, fmt.Sprintf("%s: %v", key, err))
			return
		}
		got[c.flags] &^= row.Undefined
		if !slices.Equal(got, want) {
			c.differences = append(c.differences, fmt.Sprintf("%s\nemulator  %08x\nprocessor %08x", key, got, want))
			return
		}
	}
}
