package emul

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// TestCodeThatChangedSinceTheExit: what the processor has checked was checked for
// another instruction.
func TestCodeThatChangedSinceTheExit(t *testing.T) {
	r := long()
	r.c.s.SS.Attr |= 3 << 5 // user code, to which the device is read-only
	r.ram.PutUint64(0x2018, 3<<30|0x85)
	r.c.r.GPR[vcpu.RBX], r.c.r.GPR[vcpu.RSI], r.c.r.GPR[vcpu.RDX] = devBase, devBase, 0x80
	res, ev := r.do(devBase, 0x88, 0x03) // mov [rbx],al, but the exit was a read
	if res != vcpu.Faulted || ev.Vector != vecPF || len(r.d.log) != 0 {
		t.Errorf("write to a read-only page: %v %+v %q", res, ev, r.d.log)
	}
	res, _ = r.do(devBase, 0x6e) // outsb
	if res != vcpu.Again || len(r.d.log) != 0 || r.c.r.RIP != codeBase {
		t.Errorf("OUTS without a check of the port: %v %q", res, r.d.log)
	}
}

func TestAcrossTwoPages(t *testing.T) {
	r := long()
	r.c.r.GPR[vcpu.RBX] = 4<<20 - 2 // the last bytes of memory, then nothing
	r.c.r.GPR[vcpu.RAX] = 0x44332211
	if res, ev := r.do(4<<20, 0x89, 0x03); res != vcpu.Done {
		t.Fatal(res, ev)
	}
	if v, _ := r.ram.Uint16(4<<20 - 2); v != 0x2211 || len(r.d.log) != 1 || r.d.log[0] != "400000=3344" {
		t.Errorf("%x %v", v, r.d.log)
	}
	r.c.r.GPR[vcpu.RAX] = 0
	if r.do(4<<20, 0x8b, 0x03); r.c.r.GPR[vcpu.RAX] != 0x44332211 {
		t.Errorf("%x", r.c.r.GPR[vcpu.RAX])
	}
}

func TestCacheSeesNewCode(t *testing.T) {
	r := long()
	r.c.r.GPR[vcpu.RBX] = devBase
	for i := range 3 {
		r.c.r.RIP = codeBase
		r.d.mem[0] = 0x11
		r.c.r.GPR[vcpu.RAX], r.c.r.GPR[vcpu.RCX] = 0, 0
		code := []byte{0x8a, 0x03} // mov al,[rbx]
		if i == 1 {
			code = []byte{0x8a, 0x0b} // mov cl,[rbx]
		}
		r.do(devBase, code...)
		if got := r.c.r.GPR[vcpu.RCX] == 0x11; got != (i == 1) {
			t.Errorf("round %d", i)
		}
	}
	// Remap the page of the code: the same address, other bytes.
	r.ram.PutUint64(0x2000, 0x3007)
	r.ram.PutUint64(0x3000, 0x200000|0x87)
	_ = r.ram.Write(0x200000+codeBase, []byte{0x8a, 0x0b})
	r.c.r.RIP = codeBase
	x := vcpu.Exit{Mem: vcpu.Memory{GPA: devBase}}
	r.c.r.GPR[vcpu.RCX] = 0
	if res, _ := r.e.Memory(r.c, &x); res != vcpu.Done || r.c.r.GPR[vcpu.RCX] != 0x11 {
		t.Error("stale decode")
	}
}

func TestCodeAcrossPages(t *testing.T) {
	r := long()
	r.c.r.RIP = 0x5000 - 2
	r.c.r.GPR[vcpu.RBX] = devBase
	if res, _ := r.do(devBase, bs("c7 03 78 56 34 12")...); res != vcpu.Done || r.d.mem[3] != 0x12 {
		t.Error(res)
	}
	// The second page is not there.
	r.ram.PutUint64(0x2000, 0x3007)
	r.ram.PutUint64(0x3000, 0x4007)
	r.ram.PutUint64(0x4000+4*8, 0x4007) // linear 0x4000 only
	_ = r.ram.Write(0x5000-2, bs("c7 03"))
	r.c.r.RIP = 0x5000 - 2
	if res, ev := r.do(devBase); res != vcpu.Faulted || ev.Vector != 14 || ev.CR2 != 0x5000 {
		t.Error(res, ev)
	}
}

func TestControlDecode(t *testing.T) {
	r := long()
	for _, c := range []struct {
		code string
		op   vcpu.CROp
		n, g uint8
		len  uint8
	}{
		{"0f 22 c0", vcpu.OpToCR, 0, 0, 3}, {"41 0f 22 d8", vcpu.OpToCR, 3, 8, 4},
		{"0f 20 e1", vcpu.OpFromCR, 4, 1, 3}, {"44 0f 22 c7", vcpu.OpToCR, 8, 7, 4},
		{"f0 0f 20 c0", vcpu.OpFromCR, 8, 0, 4}, {"0f 06", vcpu.OpCLTS, 0, 0, 2},
		{"0f 23 f8", vcpu.OpToCR, 7, 0, 3}, {"0f 01 f0", vcpu.OpLMSW, 0, 0, 3},
	} {
		_ = r.ram.Write(codeBase, bs(c.code))
		x := vcpu.Exit{}
		if res, _ := r.e.CR(r.c, &x); res != vcpu.Done || x.CR.Op != c.op || x.CR.Number != c.n || x.CR.GPR != c.g || x.InstLen != c.len {
			t.Errorf("%s: %d %+v len %d", c.code, res, x.CR, x.InstLen)
		}
	}
	for code, n := range map[string]uint8{"0f a2": 2, "f4": 1, "0f 30": 2, "0f 01 d9": 3, "0f 01 c1": 3,
		"0f 01 d1": 3, "0f 01 f9": 3, "0f 08": 2, "0f 09": 2, "66 e5 80": 3, "ee": 1, "f3 90": 2, "0f 33": 2, "0f 32": 2, "0f 31": 2} {
		_ = r.ram.Write(codeBase, append(bs(code), 0x90, 0x90))
		if got, ev := r.e.Length(r.c); got != n {
			t.Errorf("%s: %d %+v", code, got, ev)
		}
	}
}
