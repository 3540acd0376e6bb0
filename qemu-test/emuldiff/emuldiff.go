package emuldiff

import (
	"encoding/binary"
	"fmt"
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
	xmmAt   = 160     // in the XSAVE area (SDM Vol. 1, 10.5.1)
	xstate  = 512
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

func newMachine() *machine {
	m := &machine{ram: gmemtest.New(ramSize)}
	m.e = emul.New(m.ram, m, 40)
	flat := vcpu.Segment{Limit: 0xffffffff, Attr: 0xc093}
	m.s = vcpu.System{CR0: vcpu.CR0PE, CR4: vcpu.CR4OSFXSR, SS: flat, DS: flat, ES: flat, FS: flat, GS: flat, XCR0: 1}
	m.s.CS = vcpu.Segment{Limit: 0xffffffff, Attr: 0xc09b}
	return m
}

// run executes one row with one input. exact gives the emulator the address that the
// processor would report; otherwise it has to find it.
func (m *machine) run(row guests.EmulRow, in guests.EmulInput, exact bool) (w [guests.EmulWords]uint32, err error) {
	pattern := guests.EmulPattern()
	m.page = [4096]byte{}
	copy(m.page[:], pattern[:])
	clear(m.area[:])
	copy(m.area[xmmAt:], pattern[:32])
	m.area[xstate] = 3
	in = row.Input(in)
	m.r = vcpu.Regs{RIP: codeAt, RFLAGS: uint64(in.Flags)}
	for i, v := range []uint32{in.EAX, in.ECX, in.EDX, guests.EmulEBX, guests.EmulESP, guests.EmulEBP, guests.EmulESI, guests.EmulEDI} {
		m.r.GPR[i] = uint64(v)
	}
	if err := m.ram.Write(codeAt, row.Code); err != nil {
		return w, err
	}
	for n := 0; m.r.RIP == codeAt; n++ {
		x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: guests.EmulEBX, Write: true}}
		if !exact {
			x.Mem.GPA ^= 0x777
		}
		if res, ev := m.e.Memory(m, &x); res != vcpu.Done && res != vcpu.Again || n == 8 {
			return w, fmt.Errorf("result %d %+v", res, ev)
		}
	}
	if m.bad != "" {
		return w, fmt.Errorf("%s", m.bad)
	}
	if m.r.RIP != codeAt+uint64(len(row.Code)) {
		return w, fmt.Errorf("RIP %#x", m.r.RIP)
	}
	for i := range 8 {
		if m.r.GPR[i]>>32 != 0 {
			return w, fmt.Errorf("register %d is %#x", i, m.r.GPR[i])
		}
		w[i] = uint32(m.r.GPR[i])
	}
	w[guests.EmulFlags] = uint32(m.r.RFLAGS)
	for i := range guests.EmulMemory / 4 {
		w[guests.EmulMem+i] = binary.LittleEndian.Uint32(m.page[4*i:])
	}
	for i := range 8 {
		w[guests.EmulXMM+i] = binary.LittleEndian.Uint32(m.area[xmmAt+4*i:])
	}
	return w, nil
}

// parse reads the guest's lines.
func parse(console string) map[string][guests.EmulWords]uint32 {
	out := map[string][guests.EmulWords]uint32{}
	for line := range strings.Lines(console) {
		line = strings.TrimRight(line, "\r\n")
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || len(line)-i-1 != 8*guests.EmulWords {
			continue
		}
		var w [guests.EmulWords]uint32
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

// Compare says what the emulator does other than the processor did, a line each, and how
// many results there were to compare. A result that the guest did not print is a
// difference.
func Compare(console string) (differences []string, compared int) {
	native := parse(console)
	m := newMachine()
	for _, row := range guests.EmulRows() {
		for i, in := range guests.EmulInputs {
			key := fmt.Sprintf("%s/%d", row.Name, i)
			want, ok := native[key]
			if !ok {
				differences = append(differences, key+": the guest says nothing")
				continue
			}
			compared++
			for _, exact := range []bool{true, false} {
				got, err := m.run(row, in, exact)
				if err != nil {
					differences = append(differences, fmt.Sprintf("%s: %v", key, err))
					break
				}
				got[guests.EmulFlags] &^= row.Undefined
				want[guests.EmulFlags] &^= row.Undefined
				if got != want {
					differences = append(differences, fmt.Sprintf("%s\nemulator  %08x\nprocessor %08x", key, got, want))
					break
				}
			}
		}
	}
	return differences, compared
}
