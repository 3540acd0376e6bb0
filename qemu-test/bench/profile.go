package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"basalt/qemu-test/harness"
)

// profile is what one exit executes, on average: instructions altogether, and of
// those the ones that cost far more than one instruction's time.
type profile struct {
	total float64
	ops   map[string]float64
	funcs map[string]float64 // instructions by function
}

// step is one instruction.
type step struct {
	pc uint64
	op string // "" unless it is an expensive one
}

// expensive are the mnemonics counted; the first ends and begins an exit.
var expensive = [2][]string{
	{"vmrun", "vmload", "vmsave", "xsave", "xrstor", "xsetbv", "rdmsr", "wrmsr"},
	{"vmresume", "vmread", "vmwrite", "xsave", "xrstor", "xsetbv", "rdmsr", "wrmsr"},
}

// loops are the guests that make one kind of exit for ever.
var loops = [...]string{"loop-cpuid", "loop-eoi", "loop-uart", "loop-mmio"}

// profiles traces each loop on both engines.
func (b *bench) profiles(ctx context.Context, r *report) error {
	for i, g := range loops {
		b.note("profile: %s", g)
		var err error
		if r.profiles[0][i], err = b.profileQEMU(ctx, g); err != nil {
			return err
		}
		if r.profiles[1][i], err = b.profileBochs(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// average makes a profile from the instructions in order of execution.
func average(steps []step, count []string, function func(pc uint64) string) profile {
	p := profile{ops: map[string]float64{}, funcs: map[string]float64{}}
	exits, first, last := 0, -1, -1
	for i, s := range steps {
		if s.op == count[0] {
			if first < 0 {
				first = i
			} else {
				exits++
			}
			last = i
		}
	}
	if exits == 0 {
		return p
	}
	each := 1 / float64(exits)
	for _, s := range steps[first:last] {
		p.ops[s.op] += each
		p.funcs[function(s.pc)] += each
	}
	p.total = float64(last-first) * each
	return p
}

// bochsStep is one line of the debugger's trace.
var bochsStep = regexp.MustCompile(`^\(0\)\.\[\d+\] \[\S+\] [0-9a-f]+:([0-9a-f]+) \([^)]*\): ([a-z0-9]+)`)

func (b *bench) profileBochs(ctx context.Context, guest string) (profile, error) {
	disk, err := b.disk(ctx, "guest="+guest)
	if err != nil {
		return profile{}, err
	}
	// The guest stops in the debugger once, when its loop begins.
	r, err := harness.Machine{Emulator: harness.Bochs, NIC: "none", Disk: disk, Dir: b.folder("trace-bochs-" + guest), MIPS: 100, Limit: 2 * time.Minute,
		Debugger: "c\ntrace on\ns 60000\nq\n", Extra: []string{"magic_break: enabled=1"}}.Start(ctx)
	if err != nil {
		return profile{}, err
	}
	defer r.Stop()
	if err := r.Wait(ctx); err != nil {
		return profile{}, err
	}
	f, err := os.Open(filepath.Join(r.Dir, "emulator.log"))
	if err != nil {
		return profile{}, err
	}
	defer f.Close()
	function, err := b.functions()
	if err != nil {
		return profile{}, err
	}
	var steps []step
	for in := bufio.NewScanner(f); in.Scan(); {
		if m := bochsStep.FindSubmatch(in.Bytes()); m != nil {
			pc, _ := strconv.ParseUint(string(m[1]), 16, 64)
			steps = append(steps, step{pc, string(m[2])})
		}
	}
	return average(steps, expensive[1], function), nil
}

// qemuStep is one line of QEMU's execution log with one instruction a block.
var qemuStep = regexp.MustCompile(`^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/`)

func (b *bench) profileQEMU(ctx context.Context, guest string) (profile, error) {
	log := b.folder("trace-qemu-" + guest + ".log")
	r, err := harness.Machine{Icount: true, NIC: "none", Dir: b.folder("trace-qemu-" + guest), Limit: 2 * time.Minute,
		Kernel: filepath.Join(b.build, "bench.elf"), Append: "guest=" + guest, Extra: []string{"-singlestep", "-D", log}}.Start(ctx)
	if err != nil {
		return profile{}, err
	}
	defer r.Stop()
	if _, err := r.WaitFor(ctx, "looping"); err != nil {
		return profile{}, err
	}
	logging := func(items string) error {
		_, err := r.QMP("human-monitor-command", map[string]any{"command-line": "log " + items})
		return err
	}
	if err := logging("exec,nochain"); err != nil {
		return profile{}, err
	}
	// Long enough is when there are many exits in it, however slow the computer is; the
	// log is cut to whole ones.
	const enough = 64 << 20
	for size := int64(0); size < enough; {
		select {
		case <-ctx.Done():
			return profile{}, ctx.Err()
		case <-r.Exited():
			return profile{}, fmt.Errorf("%s: the machine ended while it was traced", guest)
		case <-time.After(50 * time.Millisecond):
		}
		st, err := os.Stat(log)
		if err != nil {
			return profile{}, err
		}
		size = st.Size()
	}
	if err := logging("none"); err != nil {
		return profile{}, err
	}
	r.Stop()
	f, err := os.Open(log)
	if err != nil {
		return profile{}, err
	}
	defer f.Close()
	names, err := b.mnemonics()
	if err != nil {
		return profile{}, err
	}
	function, err := b.functions()
	if err != nil {
		return profile{}, err
	}
	var steps []step
	for in := bufio.NewScanner(f); in.Scan(); {
		if m := qemuStep.FindSubmatch(in.Bytes()); m != nil {
			pc, _ := strconv.ParseUint(string(m[1]), 16, 64)
			steps = append(steps, step{pc, names(pc)})
		}
	}
	return average(steps, expensive[0], function), nil
}

// encodings are the expensive instructions as they stand in our assembly.
var encodings = []struct {
	bytes, op string
}{
	{"\x0f\x01\xd8", "vmrun"}, {"\x0f\x01\xda", "vmload"}, {"\x0f\x01\xdb", "vmsave"}, {"\x0f\x01\xd1", "xsetbv"},
	{"\x48\x0f\xae\x27", "xsave"}, {"\x48\x0f\xae\x2f", "xrstor"}, {"\x0f\x32", "rdmsr"}, {"\x0f\x30", "wrmsr"},
}

// mnemonics names the expensive instructions of the linked kernel by address.
func (b *bench) mnemonics() (func(pc uint64) string, error) {
	f, err := elf.Open(filepath.Join(b.build, "bench.linked"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := f.Section(".text")
	if s == nil {
		return nil, fmt.Errorf("bench.linked has no text")
	}
	text, err := s.Data()
	if err != nil {
		return nil, err
	}
	return func(pc uint64) string {
		if pc < s.Addr || pc-s.Addr >= uint64(len(text)) {
			return ""
		}
		for _, e := range encodings {
			if bytes.HasPrefix(text[pc-s.Addr:], []byte(e.bytes)) {
				return e.op
			}
		}
		return ""
	}, nil
}

// functions names the kernel's function at an address, by the tables that Go's
// runtime has for its traces.
func (b *bench) functions() (func(pc uint64) string, error) {
	f, err := elf.Open(filepath.Join(b.build, "bench.linked"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, text := f.Section(".gopclntab"), f.Section(".text")
	if lines == nil || text == nil {
		return nil, fmt.Errorf("bench.linked has no table of functions")
	}
	data, err := lines.Data()
	if err != nil {
		return nil, err
	}
	t, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	if err != nil {
		return nil, err
	}
	return func(pc uint64) string {
		if fn := t.PCToFunc(pc); fn != nil {
			return fn.Name
		}
		return "the guest"
	}, nil
}

// most is the functions with at least part of an exit's instructions, the largest first.
func (p profile) most(part float64) (names []string) {
	for name, n := range p.funcs {
		if n >= part*p.total {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(p.funcs[b], p.funcs[a]), strings.Compare(a, b))
	})
	return names
}

// list is the counts in a fixed order.
func (p profile) list(count []string) string {
	var out []string
	for _, op := range count {
		if n := p.ops[op]; n > 0 {
			out = append(out, fmt.Sprintf("%s %.3g", strings.ToUpper(op), n))
		}
	}
	return strings.Join(out, ", ")
}
