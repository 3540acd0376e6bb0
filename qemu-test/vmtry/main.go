// Command vmtry boots one guest without management: the kernel linked into it, or
// the project's micro guests by name. It is a bench for the virtual machine.
package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"strings"
	"time"

	"basalt/qemu-test/guests"
	"basalt/vmkernel/host"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vcpu"
	engine "basalt/vmkernel/vcpu/hostcpu/ring0"
	"basalt/vmkernel/vcpu/svmcpu"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vm/ring0"
)

// data holds whatever guest images were put there before the build.
//
//go:embed data
var data embed.FS

type image struct {
	*bytes.Reader
	name string
}

func (i image) Name() string { return i.name }
func (i image) Close() error { return nil }

func open(name string) host.Image {
	if b, err := data.ReadFile("data/" + name); err == nil {
		return image{bytes.NewReader(b), name}
	}
	return nil
}

func main() {
	args := map[string]string{}
	for _, f := range strings.Fields(string(linux.Facts().CommandLine())) {
		k, v, _ := strings.Cut(f, "=")
		args[k] = v
	}
	h := engine.Host()
	c, err := svmcpu.Probe(h)
	var f vcpu.Factory
	if err == nil {
		c.PassMSRs = vcpu.PassedMSRs()
		f, err = svmcpu.NewFactory(c)
	}
	if err != nil {
		fmt.Println("no engine:", err)
		os.Exit(1)
	}
	set, _ := ring0.Choose(0, f)
	p := ring0.Platform(f, "", pmem.Read().Free-64<<20, set, nil)
	if args["pin"] == "no" {
		p.Pin = nil
	}
	p.Log = func(s string, a ...any) { fmt.Printf("log: "+s+"\n", a...) }
	ended := make(chan string, 10)
	p.Event = func(_, _, text string) {
		fmt.Println("event:", text)
		if text != "started" && !strings.HasPrefix(text, "reset") {
			ended <- text
		}
	}
	m := vm.NewManager(p)
	limit := 100 * time.Second
	if d, err := time.ParseDuration(args["limit"]); err == nil {
		limit = d
	}
	if args["guest"] == "" {
		args["guest"] = "hello"
	}
	for _, g := range strings.Split(args["guest"], ",") {
		run(m, g, strings.ReplaceAll(args["cmdline"], ",,", " "), limit, ended)
	}
	time.Sleep(100 * time.Millisecond)
	os.Exit(0)
}

// run boots one guest and waits for its end.
func run(m *vm.Manager, g, cmdline string, limit time.Duration, ended <-chan string) {
	fmt.Println("guest:", g)
	b := host.Boot{Cmdline: cmdline}
	if img := guests.Build(g); img != nil {
		b.Kernel = image{bytes.NewReader(img), g}
	} else if b.Kernel = open(g); b.Kernel == nil {
		fmt.Println("no such guest:", g)
		os.Exit(1)
	}
	if i := open("initrd"); i != nil {
		b.Initrd = i
	}
	v, err := m.Create(host.Config{ID: "vm-" + g, Name: g, CPUs: 1, MemoryMiB: 256})
	check(err)
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
		}
	}()
	t := time.Now()
	check(v.Start(context.Background(), b))
	select {
	case e := <-ended:
		fmt.Println("ended:", e)
	case <-time.After(limit):
		fmt.Println("time is up")
	}
	s := v.Status()
	fmt.Printf("state %v reason %q after %v cpu %v memory %d MiB\n", s.State, s.Reason, time.Since(t), s.CPUTime, s.MemoryUsed>>20)
	for _, e := range s.Exits {
		fmt.Printf("exits %-12s %d\n", e.Kind, e.Count)
	}
	check(v.Stop(context.Background()))
	for len(ended) > 0 {
		<-ended
	}
	check(m.Delete("vm-" + g))
}

func check(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
