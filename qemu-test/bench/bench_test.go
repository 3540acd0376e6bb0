package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	r, err := parse([]byte("engine amd-v mitigations=true\r\nrow nothing 10 20\r\nrow cpuid 10 3020\r\nrow self_ipi 10 9000\r\nexits pio 3\r\nallocs 9 1000 own 11\r\nbench done\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r.perOp["cpuid"] != 300 || r.perOp["self_ipi"] != 900 || !r.onExits || r.allocs != 0 || r.exits != 1000 {
		t.Errorf("%+v", r)
	}
	if _, err := parse([]byte("panic\n")); err == nil {
		t.Error("output without rows was taken")
	}
	rep := report{}
	rep.runs[0][0] = r
	text := rep.markdown()
	for _, want := range []string{"| CPUID | 300 | 2610 | 0.11 | 400 | met |", "| allocations in 1000 exits of every kind | 0 | - | - | 0 | met |", "not measured"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestMet(t *testing.T) {
	for _, c := range []struct {
		v, limit float64
		want     string
	}{{400, 400, "met"}, {401, 400, "NOT MET"}, {0, 400, "NOT MET"}, {0, 0, "met"}, {1, 0, "NOT MET"}} {
		if got := met(c.v, c.limit); got != c.want {
			t.Errorf("%v of %v: %s", c.v, c.limit, got)
		}
	}
}

func TestAverage(t *testing.T) {
	var steps []step
	for i, op := range []string{"mov", "vmrun", "mov", "wrmsr", "vmrun", "wrmsr", "wrmsr", "mov", "vmrun", "xsave"} {
		steps = append(steps, step{uint64(i), op})
	}
	p := average(steps, expensive[0], func(pc uint64) string { return []string{"even", "odd"}[pc%2] })
	if p.total != 3.5 || p.ops["wrmsr"] != 1.5 || p.ops["vmrun"] != 1 || p.ops["xsave"] != 0 {
		t.Errorf("%+v", p)
	}
	if p.funcs["odd"] != 2 || p.funcs["even"] != 1.5 || len(p.most(0.5)) != 1 || p.most(0.1)[1] != "even" {
		t.Errorf("%+v", p.funcs)
	}
	if p := average(steps[:3], expensive[0], nil); p.total != 0 {
		t.Errorf("%+v", p)
	}
}

func TestInitramfs(t *testing.T) {
	a := initramfs([]byte("program"))
	if len(a)%4 != 0 || !bytes.HasPrefix(a, []byte("070701")) || bytes.Count(a, []byte("070701")) != 4 || !bytes.Contains(a, []byte("TRAILER!!!\x00")) {
		t.Errorf("%q", a)
	}
}
