// Command vmtry boots one guest without management: the kernel linked into it, or
// the project's micro guests by name, on either engine. It is a bench for the virtual
// machine. Its arguments are on the command line, or in data/args: guest=NAME,NAME,
// cmdline=..., limit=DURATION, pin=no, and saves=N, which saves the machine and
// restores it N times through a pipe: the guest flood has to go on to the byte, a
// Linux with a shell has to answer (cycle.go).
package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"basalt/boot/config"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/testkernel"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vm/ring0"
)

// data holds whatever guest images were put there before the build.
//
//go:embed data
var data embed.FS

func open(name string) host.Image {
	if b, err := data.ReadFile("data/" + name); err == nil {
		return testkernel.Image(name, b)
	}
	return nil
}

func main() {
	args := map[string]string{}
	more, _ := data.ReadFile("data/args") // for a machine that boots a disk
	for _, f := range strings.Fields(string(linux.Facts().CommandLine()) + " " + string(more)) {
		k, v, _ := strings.Cut(f, "=")
		args[k] = v
	}
	f, err := testkernel.Factory(config.Parse(nil, linux.Facts().CommandLine()))
	if err != nil {
		fmt.Println("no engine:", err)
		os.Exit(1)
	}
	set, _ := ring0.Choose(0, f)
	p := ring0.Platform(f, "", gmem.NewBudget(pmem.Read().Free-64<<20), set, nil)
	if args["pin"] == "no" {
		p.Pin = nil
	}
	p.Log = func(s string, a ...any) { fmt.Printf("log: "+s+"\n", a...) }
	ended := make(chan string, 1000)
	p.Event = func(_, _, text string) {
		fmt.Println("event:", text)
		if strings.HasPrefix(text, "off: ") || strings.HasPrefix(text, "crashed: ") {
			select {
			case ended <- text:
			default: // many saves, many ends
			}
		}
	}
	m := vm.NewManager(p)
	limit := 100 * time.Second
	if d, err := time.ParseDuration(args["limit"]); err == nil {
		limit = d
	}
	saves, _ := strconv.Atoi(args["saves"])
	if args["guest"] == "" {
		args["guest"] = "hello"
	}
	for _, g := range strings.Split(args["guest"], ",") {
		run(m, g, strings.ReplaceAll(args["cmdline"], ",,", " "), saves, limit, ended)
	}
	time.Sleep(100 * time.Millisecond)
	os.Exit(0)
}

// run boots one guest and waits for its end.
func run(m *vm.Manager, g, cmdline string, saves int, limit time.Duration, ended <-chan string) {
	fmt.Println("guest:", g)
	b := host.Boot{Cmdline: cmdline}
	if img := guests.Build(g); img != nil {
		b.Kernel = testkernel.Image(g, img)
	} else if b.Kernel = open(g); b.Kernel == nil {
		fmt.Println("no such guest:", g)
		os.Exit(1)
	}
	if i := open("initrd"); i != nil {
		b.Initrd = i
	}
	v, err := m.Create(host.Config{ID: "vm-" + g, Name: g, CPUs: 1, MemoryMiB: 256})
	check(err)
	scr := &screen{more: make(chan struct{}, 1)}
	if g != "flood" {
		watch(v, scr)
	}
	t := time.Now()
	check(v.Start(context.Background(), b))
	switch {
	case saves > 0 && g == "flood":
		v = seams(m, v, saves)
	case saves > 0:
		v = cycles(m, v, scr, saves, limit)
	}
	end := time.After(limit)
	for wait := saves == 0 || g != "flood"; wait; {
		select {
		case e := <-ended:
			fmt.Println("ended:", e)
			wait = saves > 0 && v.Status().State == host.StateRunning // of one that was saved
		case <-end:
			fmt.Println("time is up")
			wait = false
		}
	}
	s := v.Status()
	fmt.Printf("state %v reason %q after %v cpu %v memory %d MiB\n", s.State, s.Reason, time.Since(t), s.CPUTime, s.MemoryUsed>>20)
	for _, e := range s.Exits {
		fmt.Printf("exits %-12s %d\n", e.Kind, e.Count)
	}
	_ = v.Stop(context.Background()) // it may be off already
	for len(ended) > 0 {
		<-ended
	}
	check(m.Delete(v.Config().ID))
}

// watch copies what the console prints to ours and to the screen.
func watch(v host.VM, s *screen) {
	r, err := v.Console().Attach(0)
	check(err)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(context.Background(), buf)
			if err != nil {
				return
			}
			os.Stdout.Write(buf[:n])
			s.Write(buf[:n])
		}
	}()
}

func check(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
