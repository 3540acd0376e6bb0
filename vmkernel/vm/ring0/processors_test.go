package ring0

import (
	"encoding/binary"
	"strings"
	"testing"

	"basalt/vmkernel/linux"
	"basalt/vmkernel/vcpu"
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		n      int
		wanted uint64
		breaks bool
		want   string
		why    string // part of it
	}{
		{n: 1, want: "0"},
		{n: 1, breaks: true, want: "0"}, // nobody else is there
		{n: 4, want: "0-3"},
		{n: 64, want: "0-63"},
		{n: 4, breaks: true, want: "1-3", why: "QEMU"},
		{n: 2, breaks: true, want: "1", why: "QEMU"},
		{n: 4, wanted: 0b1011, want: "0-1,3", why: "guestcpus"},
		{n: 4, wanted: 1, breaks: true, want: "0", why: "guestcpus"}, // whoever asks gets it
		{n: 2, wanted: 0b111110, want: "1", why: "guestcpus"},
		{n: 2, wanted: 1<<63 | 1<<5, want: "0-1", why: "guestcpus=5,63 names none of the 2"},
		{n: 2, wanted: 1 << 5, breaks: true, want: "1", why: "names none of the 2 processors; QEMU"},
	} {
		p, why := choose(c.n, c.wanted, c.breaks)
		if p.String() != c.want || !strings.Contains(why, c.why) || c.why == "" && why != "" {
			t.Errorf("%+v: %v, %q", c, p, why)
		}
	}
}

func TestEmulated(t *testing.T) {
	for _, c := range []struct {
		signature string
		ecx       uint32
		want      bool
	}{
		{"TCGTCGTCGTCG", 1 << 31, true},
		{"TCGTCGTCGTCG", 0, false}, // no hypervisor says so: the leaf is anything
		{"KVMKVMKVM\x00\x00\x00", 1 << 31, false},
	} {
		w := func(i int) uint32 { return binary.LittleEndian.Uint32([]byte(c.signature)[i:]) }
		got := emulated(func(leaf, _ uint32) (uint32, uint32, uint32, uint32) {
			if leaf == 1 {
				return 0, 0, c.ecx, 0
			}
			return 0x4000_0001, w(0), w(4), w(8)
		})
		if got != c.want {
			t.Errorf("%q: %v", c.signature, got)
		}
	}
}

type named struct {
	vcpu.Factory
	name string
}

func (n named) Name() string { return n.name }

func TestFloat(t *testing.T) {
	state := [4]linux.TSCState{linux.TSCSilent, linux.TSCInStep, linux.TSCCorrected, linux.TSCOffset}
	skew := func(n int) (low, high int64, s linux.TSCState) { return 0, 0, state[n] }
	for _, c := range []struct {
		set    Processors
		engine string
		want   bool
	}{
		{0b0111, "amd-v", true}, // the first is what the others are compared with
		{0b0110, "amd-v", true},
		{0b0110, "vt-x", false},
		{0b1110, "amd-v", false}, // one is apart
	} {
		if got := c.set.float(named{name: c.engine}, skew); got != c.want {
			t.Errorf("%v with %s: %v", c.set, c.engine, got)
		}
	}
	if Processors(0b110).float(nil, skew) {
		t.Error("without an engine")
	}
	if n := Processors(0b1011).Count(); n != 3 {
		t.Errorf("%d processors", n)
	}
}
