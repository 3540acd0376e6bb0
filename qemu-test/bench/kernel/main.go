package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"basalt/boot/config"
	"basalt/qemu-test/testkernel"
	sched "basalt/vmkernel/cpusched/ring0"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vm/ring0"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("bench failed:", err)
		os.Exit(1)
	}
	fmt.Println("bench done")
	os.Exit(0)
}

func run() error {
	text := settings()
	s := config.Parse(text, nil)
	f, err := testkernel.Factory(s)
	if err != nil {
		return err
	}
	fmt.Printf("engine %s mitigations=%v\n", f.Name(), s.Mitigations)
	set, _ := ring0.Choose(0, f)
	cpus, err := sched.New()
	if err != nil {
		return err
	}
	p := ring0.Platform(f, "", gmem.NewBudget(pmem.Read().Free-64<<20), set, cpus)
	if linux.CPUs() == 1 {
		p.Pin = nil
	}
	p.Log = func(format string, a ...any) { fmt.Printf("log: "+format+"\n", a...) }
	off := make(chan string, 16)
	p.Event = func(_, _, text string) {
		if text != "started" {
			select {
			case off <- text:
			default:
			}
		}
	}
	if p.Switch, err = network(); err != nil {
		return err
	}
	m := vm.NewManager(p)
	if n, err := strconv.Atoi(value(text, "linux")); err == nil {
		initrd, _ := strconv.Atoi(value(text, "initrd"))
		return boots(m, n, initrd, off)
	}
	if n, err := strconv.Atoi(value(text, "machines")); err == nil {
		return many(m, n)
	}
	if name := value(text, "guest"); name != "" {
		return forever(m, name)
	}
	if value(text, "only") == "io" {
		return diskAndNet(m)
	}
	if linux.CPUs() > 1 {
		return rows(m, "bench-ipi2", 2)
	}
	if err := rows(m, "bench", 1); err != nil {
		return err
	}
	if err := rows(m, "bench-ipi1", 2); err != nil {
		return err
	}
	if err := diskAndNet(m); err != nil {
		return err
	}
	return allocations(m)
}

// settings is the command line as lines of basalt.conf, or the file itself.
func settings() []byte {
	f := linux.Facts()
	text := bytes.Join(bytes.Fields(f.CommandLine()), []byte("\n"))
	if f.NumModules > 0 {
		if s, n := f.Modules[0].Start, f.Modules[0].End-f.Modules[0].Start; n < 64<<10 && linux.DirectPhysical(s, n) {
			text = append(append(text, '\n'), pmem.Bytes(s, int(n))...)
		}
	}
	return text
}

func value(text []byte, key string) string {
	for _, l := range bytes.Split(text, []byte("\n")) {
		if k, v, ok := bytes.Cut(l, []byte("=")); ok && string(bytes.TrimSpace(k)) == key {
			return string(bytes.TrimSpace(v))
		}
	}
	return ""
}
