package emul

import (
	"fmt"
	"testing"

	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/w1test"
)

// fastDevice answers in W1 what its fields say.
type fastDevice struct {
	vcpu.FastIO
	refuse, silent bool
	log            []string
}

func (d *fastDevice) FastReadMMIO(gpa uint64, size uint8) (uint64, bool) {
	d.log = append(d.log, fmt.Sprintf("read %x %d", gpa, size))
	return 0x8877665544332211, !d.refuse
}

func (d *fastDevice) FastWriteMMIO(gpa uint64, size uint8, v uint64) (silent, ok bool) {
	d.log = append(d.log, fmt.Sprintf("write %x %d %x", gpa, size, v))
	return d.silent, !d.refuse
}

// quick makes the instruction known by executing it in ordinary Go, and then does it in W1.
func (r *rig) quick(x *vcpu.Exit, d *fastDevice, code ...byte) vcpu.Quick {
	rip := r.c.r.RIP
	if err := r.ram.Write(rip, code); err != nil {
		panic(err)
	}
	saved := r.c.r
	r.e.Memory(r.c, x)
	r.c.r = saved
	return r.e.Quick(r.c, x, d)
}

func TestQuick(t *testing.T) {
	for _, c := range []struct {
		name, code string
		write      bool
		want       string
		rax        uint64
	}{
		{"store of 16 bits", "66 89 03", true, "write fe000010 2 7788", 0x1122334455667788},
		{"store of 32 bits", "89 03", true, "write fe000010 4 55667788", 0x1122334455667788},
		{"store of 64 bits", "48 89 03", true, "write fe000010 8 1122334455667788", 0x1122334455667788},
		{"store of AH", "88 23", true, "write fe000010 1 77", 0x1122334455667788},
		{"immediate", "c7 03 78 56 34 12", true, "write fe000010 4 12345678", 0x1122334455667788},
		{"load of 32 bits", "8b 03", false, "read fe000010 4", 0x44332211},
		{"load of 16 bits", "66 8b 03", false, "read fe000010 2", 0x1122334455662211},
		{"load of AH", "8a 23", false, "read fe000010 1", 0x1122334455661188},
	} {
		code := bs(c.code)
		modes := map[string]func() *rig{"paging": long, "flat": legacy}
		if code[0] == 0x48 { // REX: INC or DEC in 32-bit code
			delete(modes, "flat")
		}
		for mode, fresh := range modes {
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				r := fresh()
				r.c.r.GPR[vcpu.RAX], r.c.r.GPR[vcpu.RBX] = 0x1122334455667788, devBase+0x10
				x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: devBase + 0x10, Write: c.write, Read: !c.write}}
				d := &fastDevice{silent: true}
				if q := r.quick(&x, d, code...); q != vcpu.QuickSilent {
					t.Fatalf("ended with %d", q)
				}
				if len(d.log) != 1 || d.log[0] != c.want {
					t.Errorf("%q, want %q", d.log, c.want)
				}
				if r.c.r.GPR[vcpu.RAX] != c.rax || r.c.r.RIP != codeBase+uint64(len(code)) {
					t.Errorf("rax %#x rip %#x", r.c.r.GPR[vcpu.RAX], r.c.r.RIP)
				}
			})
		}
	}
}

// TestQuickLeaves lists what ordinary Go has to do: nothing has happened.
func TestQuickLeaves(t *testing.T) {
	store := bs("89 03")
	for _, c := range []struct {
		name string
		code []byte
		edit func(r *rig, x *vcpu.Exit)
	}{
		{"other code since", store, func(r *rig, _ *vcpu.Exit) { r.ram.PutUint16(codeBase, 0x0b89) }},
		{"another instruction", bs("01 03"), nil},
		{"a load where the processor wrote", bs("8b 03"), nil},
		{"another operand", store, func(r *rig, _ *vcpu.Exit) { r.c.r.GPR[vcpu.RBX] += 4 }},
		{"another place", store, func(r *rig, _ *vcpu.Exit) { r.c.r.RIP++ }},
		{"single step", store, func(r *rig, _ *vcpu.Exit) { r.c.r.RFLAGS |= vcpu.FlagTF }},
		{"RF", store, func(r *rig, _ *vcpu.Exit) { r.c.r.RFLAGS |= vcpu.FlagRF }},
		{"code unmapped since", store, func(r *rig, _ *vcpu.Exit) { r.ram.PutUint64(0x2000, 0) }},
		{"tables outside of memory", store, func(r *rig, _ *vcpu.Exit) { r.c.s.CR3 = 0xf000_0000 }},
		{"code outside of memory", store, func(r *rig, _ *vcpu.Exit) { r.ram.PutUint64(0x2000, 0xc000_0000|0x87) }},
		{"five levels", store, func(r *rig, _ *vcpu.Exit) { r.c.s.CR4 |= vcpu.CR4LA57 }},
		{"PAE", store, func(r *rig, _ *vcpu.Exit) { r.c.s.EFER = 0 }},
		{"32-bit code", store, func(r *rig, _ *vcpu.Exit) { r.c.s.CS.Attr = 0xc09b }},
		{"over a page's end", store, func(r *rig, x *vcpu.Exit) {
			r.c.r.GPR[vcpu.RBX] = devBase + 0xffe
			x.Mem.GPA = devBase + 0xffe
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := long()
			r.c.r.GPR[vcpu.RBX] = devBase + 0x10
			x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: devBase + 0x10, Write: true}}
			d := &fastDevice{refuse: true}
			q := r.quick(&x, d, c.code...)
			if c.edit != nil {
				if q != vcpu.QuickRefused {
					t.Fatalf("not tried before the change: %d", q)
				}
				d.log, d.refuse = nil, false
				c.edit(r, &x)
				q = r.e.Quick(r.c, &x, d)
			}
			if q != vcpu.QuickUnknown || d.log != nil {
				t.Errorf("ended with %d: %q", q, d.log)
			}
		})
	}
}

// TestQuickRefused: the device says no, and the registers are as before.
func TestQuickRefused(t *testing.T) {
	for _, code := range []string{"89 03", "8b 03"} {
		r := long()
		r.c.r.GPR[vcpu.RAX], r.c.r.GPR[vcpu.RBX] = 5, devBase+0x10
		x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: devBase + 0x10, Write: code == "89 03"}}
		d := &fastDevice{refuse: true}
		if q := r.quick(&x, d, bs(code)...); q != vcpu.QuickRefused || r.c.r.RIP != codeBase || r.c.r.GPR[vcpu.RAX] != 5 {
			t.Errorf("%s: ended with %d, rip %#x rax %#x", code, q, r.c.r.RIP, r.c.r.GPR[vcpu.RAX])
		}
	}
}

// TestQuickLoud: a write that may have raised an interrupt says so.
func TestQuickLoud(t *testing.T) {
	r := long()
	r.c.r.GPR[vcpu.RBX] = devBase
	x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: devBase, Write: true}}
	if q := r.quick(&x, &fastDevice{}, bs("89 03")...); q != vcpu.QuickDone {
		t.Errorf("ended with %d", q)
	}
}

func TestQuickKeepsToW1(t *testing.T) { w1test.Fast(t, (*Emulator).Quick) }

// TestTheCacheIsWritten: W1 must not be the first to touch a page of it, and what New has
// not written may lie on a page that the host has not backed.
func TestTheCacheIsWritten(t *testing.T) {
	e := legacy().e
	for i := range e.cache {
		if e.cache[i].bits != noBits {
			t.Fatalf("entry %d is as it was allocated", i)
		}
	}
}
