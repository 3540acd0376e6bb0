package emul

import (
	"encoding/binary"
	"fmt"
	"testing"

	"basalt/vmkernel/vcpu"
)

// Each row: RBX and RSP, what is written to the device, RSP and RAX after it. The device
// has 0102030405060708 at 0 and 1112131415161718 at 8, memory 2122232425262728 at 0x5000.
func TestPushAndPop(t *testing.T) {
	const sp = devBase + 0x100
	seg32 := func(r *rig) {
		*r = *legacy()
	}
	for _, c := range []struct {
		name, code string
		prep       func(*rig)
		rbx, rsp   uint64
		log        string
		rspAfter   uint64
		rax        uint64
	}{
		{"push [rbx], stack in memory", "ff 33", nil, devBase, 0x6000, "", 0x5ff8, 0xaa},
		{"push rax", "50", nil, 0, sp, "fe0000f8=aa00000000000000", sp - 8, 0xaa},
		{"push ax", "66 50", nil, 0, sp, "fe0000fe=aa00", sp - 2, 0xaa},
		{"push -1", "6a ff", nil, 0, sp, "fe0000f8=ffffffffffffffff", sp - 8, 0xaa},
		{"push imm32", "68 78 56 34 12", nil, 0, sp, "fe0000f8=7856341200000000", sp - 8, 0xaa},
		{"push -16", "68 f0 ff ff ff", nil, 0, sp, "fe0000f8=f0ffffffffffffff", sp - 8, 0xaa},
		{"push rsp", "54", nil, 0, sp, "fe0000f8=000100fe00000000", sp - 8, 0xaa},
		{"push [rbx], stack in the device", "ff 33", nil, devBase, sp, "fe0000f8=0807060504030201", sp - 8, 0xaa},
		{"push [rsp-256]", "ff b4 24 00 ff ff ff", nil, 0, sp, "fe0000f8=0807060504030201", sp - 8, 0xaa},
		{"push word [rbx]", "66 ff 33", nil, devBase, sp, "fe0000fe=0807", sp - 2, 0xaa},
		{"pop rax", "58", nil, 0, devBase, "", devBase + 8, 0x0102030405060708},
		{"pop ax", "66 58", nil, 0, devBase + 8, "", devBase + 10, 0x1718},
		{"pop rsp", "5c", nil, 0, devBase, "", 0x0102030405060708, 0xaa},
		{"pop [rbx]", "8f 03", nil, devBase, 0x5000, "fe000000=2827262524232221", 0x5008, 0xaa},
		{"pop [rsp+8] in the device", "8f 44 24 08", nil, 0, devBase, "fe000010=0807060504030201", devBase + 8, 0xaa},
		{"32: push eax", "50", seg32, 0, sp, "fe0000fc=aa000000", sp - 4, 0xaa},
		{"32: pop eax", "58", seg32, 0, devBase, "", devBase + 4, 0x05060708},
		{"16-bit stack: push eax", "50", func(r *rig) {
			seg32(r)
			r.c.s.SS = vcpu.Segment{Base: devBase, Limit: 0xffff, Attr: 0x93}
		}, 0, 0xabcd0010, "fe00000c=aa000000", 0xabcd000c, 0xaa},
		{"16-bit stack wraps", "50", func(r *rig) {
			seg32(r)
			r.c.s.SS = vcpu.Segment{Base: devBase - 0xf000, Limit: 0xffff, Attr: 0x93}
		}, 0, 0xabcd0000, "fe000ffc=aa000000", 0xabcdfffc, 0xaa},
	} {
		r := long()
		if c.prep != nil {
			c.prep(r)
		}
		binary.BigEndian.PutUint64(r.d.mem[:], 0x0807060504030201)
		binary.BigEndian.PutUint64(r.d.mem[8:], 0x1817161514131211)
		r.ram.PutUint64(0x5000, 0x2122232425262728)
		g := &r.c.r.GPR
		g[vcpu.RAX], g[vcpu.RBX], g[vcpu.RSP] = 0xaa, c.rbx, c.rsp
		code := bs(c.code)
		res, ev := r.do(devBase, code...)
		if res != vcpu.Done || fmt.Sprint(r.d.log) != "["+c.log+"]" || g[vcpu.RSP] != c.rspAfter || g[vcpu.RAX] != c.rax || r.c.r.RIP != codeBase+uint64(len(code)) {
			t.Errorf("%s: %d %+v %v rsp %x rax %x", c.name, res, ev, r.d.log, g[vcpu.RSP], g[vcpu.RAX])
		}
		if c.rspAfter == 0x5ff8 {
			if v, _ := r.ram.Uint64(0x5ff8); v != 0x0102030405060708 {
				t.Errorf("%s: %x", c.name, v)
			}
		}
	}
}

// TestPushFaults: nothing moves, and the vector says which operand it was.
func TestPushFaults(t *testing.T) {
	for _, c := range []struct {
		name, code string
		rbx, rsp   uint64
		vec        uint8
		cr2        uint64
	}{
		{"stack beyond the hole", "ff 33", devBase, 1 << 47, 12, 0},
		{"operand beyond the hole", "ff 33", 1 << 47, devBase, 13, 0},
		{"stack not there", "ff 33", devBase, 1 << 39, 14, 1<<39 - 8},
		{"pop to what is not there", "8f 03", 1 << 40, devBase, 14, 1 << 40},
	} {
		r := long()
		g := &r.c.r.GPR
		g[vcpu.RBX], g[vcpu.RSP] = c.rbx, c.rsp
		if c.rsp == 1<<47 {
			g[vcpu.RSP] += 4
		}
		was := *g
		if res, ev := r.do(devBase, bs(c.code)...); res != vcpu.Faulted || ev.Vector != c.vec || ev.CR2 != c.cr2 || *g != was || r.c.r.RIP != codeBase {
			t.Errorf("%s: %d %+v", c.name, res, ev)
		}
	}
}

// TestMemoryIsLeftToTheProcessor: when the operand is no device any more, the guest runs
// the instruction itself: a locked one stays atomic.
func TestMemoryIsLeftToTheProcessor(t *testing.T) {
	for _, code := range []string{"f0 01 03", "48 89 03", "f0 48 0f c7 0b", "0f 11 03", "ff 33", "8f 03", "50", "87 03"} {
		r := simd()
		r.c.r.GPR[vcpu.RBX], r.c.r.GPR[vcpu.RSP] = 0x5000, 0x6000
		was := r.c.r
		if res, _ := r.do(devBase+0x777, bs(code)...); res != vcpu.Again || r.c.r != was {
			t.Errorf("%s: %d", code, res)
		}
	}
}
