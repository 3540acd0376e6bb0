package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"basalt/qemu-test/guests"
	"basalt/qemu-test/testkernel"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vm"
)

// memoryMiB is enough for every micro guest.
const memoryMiB = 128

// lines reads a console by lines.
type lines struct {
	r interface {
		Read(context.Context, []byte) (int, error)
	}
	buf *bufio.Reader
}

func (l *lines) Read(p []byte) (int, error) { return l.r.Read(context.Background(), p) }

func (l *lines) next() (string, error) {
	s, err := l.buf.ReadString('\n')
	return strings.TrimSpace(s), err
}

// start boots a micro guest.
func start(m *vm.Manager, name string, cpus int) (host.VM, *lines, error) {
	return startWith(m, name, cpus, nil)
}

// devices adds devices to a machine.
type devices func(*host.Config, *host.Boot) error

func startWith(m *vm.Manager, name string, cpus int, add devices) (host.VM, *lines, error) {
	return startConf(m, host.Config{ID: name, Name: name, CPUs: cpus, MemoryMiB: memoryMiB}, name, add)
}

func startConf(m *vm.Manager, conf host.Config, name string, add devices) (host.VM, *lines, error) {
	img := guests.Build(name)
	if img == nil {
		return nil, nil, fmt.Errorf("no guest %q", name)
	}
	boot := host.Boot{Kernel: testkernel.Image(name, img)}
	if add != nil {
		if err := add(&conf, &boot); err != nil {
			return nil, nil, err
		}
	}
	v, err := m.Create(conf)
	if err != nil {
		return nil, nil, err
	}
	r, err := v.Console().Attach(0)
	if err != nil {
		return nil, nil, err
	}
	l := &lines{r: r}
	l.buf = bufio.NewReader(io.Reader(l))
	return v, l, v.Start(context.Background(), boot)
}

// end stops it, says its exits and forgets it.
func end(m *vm.Manager, v host.VM) error {
	for _, e := range v.Status().Exits {
		fmt.Printf("exits %s %d\n", e.Kind, e.Count)
	}
	if err := v.Stop(context.Background()); err != nil {
		return err
	}
	return m.Delete(v.Config().ID)
}

// rows runs a guest that times something. Its lines are printed after its end: a
// serial line that takes its time, as Bochs' does, would be in the next row.
func rows(m *vm.Manager, name string, cpus int) error { return rowsWith(m, name, cpus, nil) }

func rowsWith(m *vm.Manager, name string, cpus int, add devices) error {
	v, l, err := startWith(m, name, cpus, add)
	if err != nil {
		return err
	}
	var rows []string
	for {
		s, err := l.next()
		if err != nil {
			return fmt.Errorf("console: %w", err)
		}
		switch {
		case s == "bench begin":
		case s == "bench end":
			for _, s := range rows {
				fmt.Println("row", s)
			}
			return end(m, v)
		default:
			rows = append(rows, s)
		}
	}
}

// forever runs one guest; the emulator is stopped from outside.
func forever(m *vm.Manager, name string) error {
	_, l, err := startWith(m, name, 1, map[string]devices{"loop-blk": withDisk, "loop-net": withNIC}[name])
	for err == nil {
		var s string
		if s, err = l.next(); err == nil {
			fmt.Println(s)
		}
	}
	return err
}
