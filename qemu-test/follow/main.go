package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"basalt/boot/config"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/testkernel"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vm/ring0"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Println("follow: FAIL:", err)
		os.Exit(1)
	}
	fmt.Println("follow: PASS")
	os.Exit(0)
}

func run(ctx context.Context) error {
	f, err := testkernel.Factory(config.Parse(nil, linux.Facts().CommandLine()))
	if err != nil {
		return err
	}
	t, err := f.NewTable()
	if err != nil {
		return err
	}
	d, ok := t.(vcpu.DirtyTable)
	if notes := ok && d.NotesWrites(); !notes {
		return fmt.Errorf("engine %s: the processor notes no writes", f.Name())
	}
	if err := t.Close(); err != nil {
		return err
	}
	for name, f := range map[string]vcpu.Factory{"notes": f, "rights": plain{f}} {
		if err := follow(ctx, name, f); err != nil {
			return fmt.Errorf("%s, %s: %w", f.Name(), name, err)
		}
	}
	return nil
}

// plain is a factory whose tables note nothing.
type plain struct{ vcpu.Factory }

type plainTable struct{ vcpu.NestedTable }

func (p plain) Caps() vcpu.Caps { return p.Factory.(vcpu.Capable).Caps() }

func (p plain) NewTable() (vcpu.NestedTable, error) {
	t, err := p.Factory.NewTable()
	return plainTable{t}, err
}

func (p plain) NewEngine(index int, t vcpu.NestedTable, f vcpu.Fast) (vcpu.Engine, error) {
	return p.Factory.NewEngine(index, t.(plainTable).NestedTable, f)
}

const (
	memMiB = 8
	rounds = 20
)

// follow copies the memory of a guest that runs.
func follow(ctx context.Context, name string, f vcpu.Factory) error {
	set, _ := ring0.Choose(0, f)
	m := vm.NewManager(ring0.Platform(f, "", gmem.NewBudget(pmem.Read().Free-64<<20), set, nil))
	made, err := m.Create(host.Config{ID: name, CPUs: 1, MemoryMiB: memMiB})
	if err != nil {
		return err
	}
	v := made.(*vm.Machine)
	if err := v.Start(ctx, host.Boot{Kernel: testkernel.Image("verify", guests.Build("verify"))}); err != nil {
		return err
	}
	console := func() string { return string(v.Console().Log()) }
	if err := until(console, "round 4\n"); err != nil {
		return err
	}
	before := exits(v)
	if err := v.StartDirty(ctx); err != nil {
		return err
	}
	c := copied{bytes: make([]byte, memMiB<<20)}
	for range rounds {
		if err := v.CollectDirty(ctx, c.take); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond) // on one processor the guest writes only now
	}
	sent := c.pages
	if err := v.Pause(ctx); err != nil {
		return err
	}
	if err := v.CollectDirty(ctx, c.take); err != nil {
		return err
	}
	if err := v.StopDirty(ctx); err != nil {
		return err
	}
	wrong, err := c.compare(v)
	if err != nil {
		return err
	}
	fmt.Printf("follow: %s, %s: %d pages in %d rounds, %d in the last; %d exits\n", f.Name(), name, sent, rounds, c.pages-sent, exits(v)-before)
	if wrong != 0 {
		return fmt.Errorf("%d pages differ", wrong)
	}
	if sent < 2*memMiB {
		return fmt.Errorf("only %d pages were written", sent)
	}
	// It lost nothing, and goes on.
	was := console()
	if err := v.Resume(ctx); err != nil {
		return err
	}
	if err := until(func() string { return strings.TrimPrefix(console(), was) }, "round "); err != nil {
		return err
	}
	if s := console(); strings.Contains(s, "lost") || strings.Contains(s, "back") {
		return fmt.Errorf("the guest says %q", s)
	}
	if err := v.Stop(ctx); err != nil {
		return err
	}
	return m.Delete(name)
}

// until waits for a text, and looks for it now and then: it is there for good once it is.
func until(say func() string, text string) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		switch s := say(); {
		case strings.Contains(s, text):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("no %q on the console, which ends with %q", text, s[max(0, len(s)-100):])
		}
	}
}

func exits(v host.VM) (n uint64) {
	for _, e := range v.Status().Exits {
		n += e.Count
	}
	return n
}

// copied is the copy.
type copied struct {
	bytes []byte
	pages int
}

// take copies the pages of one frame.
func (c *copied) take(mem *gmem.Memory, gpa uint64, pages *gmem.Pages) error {
	for i := range uint64(gmem.FrameSize / gmem.PageSize) {
		at := gpa + i*gmem.PageSize
		if pages[i>>6]>>(i&63)&1 == 0 || !mem.Contains(at, gmem.PageSize) {
			continue
		}
		if err := mem.Read(at, c.bytes[at:at+gmem.PageSize]); err != nil {
			return err
		}
		c.pages++
	}
	return nil
}

// compare counts the pages that are not what the machine has, which is paused.
func (c *copied) compare(v *vm.Machine) (wrong int, err error) {
	ctx := context.Background()
	if err := v.StartDirty(ctx); err != nil { // once more, for all that is there
		return 0, err
	}
	now := copied{bytes: make([]byte, len(c.bytes))}
	if err := v.CollectDirty(ctx, now.take); err != nil {
		return 0, err
	}
	for at := 0; at < len(c.bytes); at += gmem.PageSize {
		if !bytes.Equal(c.bytes[at:at+gmem.PageSize], now.bytes[at:at+gmem.PageSize]) {
			wrong++
		}
	}
	return wrong, v.StopDirty(ctx)
}
