package cases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"basalt/mgmt/wire"
	"basalt/qemu-test/artefacts"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

// guestWait is the longest that one guest may take for one step on an emulator
// that shares its computer.
const guestWait = 100 * time.Second

// put uploads a file.
func (n *node) put(t *testing.T, path string, content []byte) {
	t.Helper()
	if _, err := n.api.PutFile(n.ctx, path, bytes.NewReader(content), int64(len(content)), false); err != nil {
		t.Fatalf("upload %s: %v", path, err)
	}
}

// upload uploads a file of this computer.
func (n *node) upload(t *testing.T, path, local string) {
	t.Helper()
	f, err := os.Open(local)
	if err != nil {
		t.Fatalf("%v (make guests)", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.api.PutFile(n.ctx, path, f, st.Size(), false); err != nil {
		t.Fatalf("upload %s: %v", path, err)
	}
}

// guest is a virtual machine on a node.
type guest struct {
	*node
	t  *testing.T
	id string
}

// create creates a machine, which the test's end stops and deletes; a failure
// prints the end of its console.
func (n *node) create(t *testing.T, in wire.VMCreate) *guest {
	t.Helper()
	if in.CPUs == 0 {
		in.CPUs = 1
	}
	vm, err := n.api.CreateVM(n.ctx, in)
	if err != nil {
		t.Fatalf("create %s: %v", in.Name, err)
	}
	g := &guest{node: n, t: t, id: vm.ID}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console of %s ends with:\n%s", in.Name, harness.Tail(g.log(), 30))
		}
		if vm, err := n.api.VM(n.ctx, g.id); err == nil && vm.State != "off" {
			if _, err := n.api.Act(n.ctx, g.id, "stop"); err != nil {
				t.Errorf("stop %s: %v", in.Name, err)
			}
		}
		if err := n.api.DeleteVM(n.ctx, g.id); err != nil {
			t.Errorf("delete %s: %v", in.Name, err)
		}
	})
	return g
}

// micro creates and starts one of the micro guests.
func (n *node) micro(t *testing.T, name string) *guest { return n.microSMP(t, name, 1) }

// microSMP is micro with several CPUs.
func (n *node) microSMP(t *testing.T, name string, cpus int) *guest {
	t.Helper()
	image := guests.Build(name)
	if image == nil {
		t.Fatalf("no guest %s", name)
	}
	n.put(t, "micro/"+name, image)
	g := n.create(t, wire.VMCreate{Name: name, CPUs: cpus, MemoryMiB: 32, Boot: wire.Boot{Kernel: "micro/" + name}})
	g.act("start")
	return g
}

// act does an action that has to succeed.
func (g *guest) act(action string) wire.VM {
	g.t.Helper()
	vm, err := g.api.Act(g.ctx, g.id, action)
	if err != nil {
		g.t.Fatalf("%s: %v", action, err)
	}
	return vm
}

func (g *guest) show() wire.VM {
	g.t.Helper()
	vm, err := g.api.VM(g.ctx, g.id)
	if err != nil {
		g.t.Fatal(err)
	}
	return vm
}

func (g *guest) log() []byte {
	b, err := g.api.ConsoleLog(g.ctx, g.id)
	if err != nil {
		return []byte(err.Error())
	}
	return b
}

// state waits until the machine is in one of the states.
func (g *guest) state(want ...string) wire.VM { return g.stateWithin(guestWait, want...) }

func (g *guest) stateWithin(wait time.Duration, want ...string) wire.VM {
	g.t.Helper()
	for end := time.Now().Add(wait); ; {
		vm := g.show()
		for _, w := range want {
			if vm.State == w {
				return vm
			}
		}
		if time.Now().After(end) {
			g.t.Fatalf("state %s (%s), want %v", vm.State, vm.Reason, want)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-g.Exited():
			g.t.Fatal("the host is gone")
		}
	}
}

// progress waits until the running machine has had more exits than before.
func (g *guest) progress(before uint64) uint64 {
	g.t.Helper()
	for end := time.Now().Add(guestWait); ; {
		vm := g.show()
		if vm.State == "running" && vm.ExitsTotal > before {
			return vm.ExitsTotal
		}
		if vm.State != "running" || time.Now().After(end) {
			g.t.Fatalf("the machine is %s with %d exits after %d", vm.State, vm.ExitsTotal, before)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-g.Exited():
			g.t.Fatal("the host is gone")
		}
	}
}

// console attaches to the console from its beginning.
func (g *guest) console() *terminal { return g.attach(guestWait) }

// attach is console for everything that is expected within a time.
func (g *guest) attach(wait time.Duration) *terminal {
	g.t.Helper()
	ctx, cancel := context.WithCancelCause(g.ctx)
	g.t.Cleanup(func() { cancel(nil) })
	go g.watch(ctx, cancel, wait)
	ws, err := g.api.Console(ctx, g.id, 256<<10)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { ws.CloseNow() })
	return &terminal{g: g, ctx: ctx, ws: ws}
}

// watch ends the wait for a console whose machine has crashed, and every wait
// after its time.
func (g *guest) watch(ctx context.Context, cancel context.CancelCauseFunc, wait time.Duration) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	over := time.After(wait)
	crashed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			cancel(errors.New("time is over"))
			return
		case <-tick.C:
		}
		vm, err := g.api.VM(ctx, g.id)
		if err != nil {
			continue
		}
		if crashed {
			cancel(fmt.Errorf("the machine is %s: %s", vm.State, vm.Reason))
		}
		crashed = vm.State == "crashed" // what it wrote may still be on its way
	}
}

// socket is what terminal needs of a WebSocket.
type socket interface {
	Reader(context.Context) (typ messageType, r io.Reader, err error)
	Write(ctx context.Context, typ messageType, p []byte) error
}

// terminal is an attached console.
type terminal struct {
	g    *guest
	ctx  context.Context
	ws   socket
	seen []byte // not matched yet
}

// expect waits for a pattern after the last match, and gives its groups.
func (c *terminal) expect(pattern string) []string {
	c.g.t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		if m := re.FindSubmatchIndex(c.seen); m != nil {
			var out []string
			for i := 0; i < len(m); i += 2 {
				out = append(out, string(c.seen[m[i]:m[i+1]]))
			}
			c.seen = c.seen[m[1]:]
			return out
		}
		_, r, err := c.ws.Reader(c.ctx)
		var b []byte
		if err == nil {
			b, err = io.ReadAll(r)
		}
		if err != nil {
			if cause := context.Cause(c.ctx); cause != nil {
				err = cause
			}
			c.g.t.Fatalf("waiting for %q on the guest's console: %v", pattern, err)
		}
		c.seen = append(c.seen, b...)
	}
}

// send types a line.
func (c *terminal) send(line string) {
	c.g.t.Helper()
	if err := c.ws.Write(c.ctx, binaryMessage, []byte(line+"\r")); err != nil {
		c.g.t.Fatal(err)
	}
}

// debian creates and starts a machine with Debian's kernel and the u-root shell.
func (n *node) debian(t *testing.T, name string) *guest { return n.debianSMP(t, name, 1) }

// debianSMP is debian with several CPUs.
func (n *node) debianSMP(t *testing.T, name string, cpus int) *guest {
	t.Helper()
	files, err := n.api.Files(n.ctx, "debian/")
	if err != nil {
		t.Fatal(err)
	}
	if len(files.Files) < 2 {
		n.upload(t, "debian/vmlinuz", built("guests/vmlinuz"))
		n.upload(t, "debian/initramfs", built("guests/"+artefacts.InitramfsName))
	}
	g := n.create(t, wire.VMCreate{Name: name, CPUs: cpus, MemoryMiB: 192, Boot: wire.Boot{
		Kernel: "debian/vmlinuz", Initrd: "debian/initramfs", Cmdline: "console=ttyS0"}})
	if vm := g.show(); vm.KernelFormat != "bzimage" {
		t.Errorf("format %q", vm.KernelFormat)
	}
	g.act("start")
	return g
}

// prompt is the shell's.
const prompt = `(?m)^.*\$ \x1b?[^\n]*$`

// shell waits for the shell and makes it compute something that is not on the
// line which was typed.
func (c *terminal) shell(token string) {
	c.g.t.Helper()
	c.expect(`Linux version 6\.`)
	c.expect(prompt)
	c.send(fmt.Sprintf("echo %s-$((6*7)); uname -r", token))
	c.expect(token + `-42`)
	c.expect(`6\.[0-9.]+-[0-9]+-cloud-amd64`)
}

// clean says that Linux saw nothing wrong with its machine.
func (g *guest) clean() {
	g.t.Helper()
	log := string(g.log())
	for _, bad := range []string{"BUG:", "WARNING: CPU", "Oops", "unchecked MSR", "Call Trace", "rcu_sched self-detected", "soft lockup", "clocksource: Marking"} {
		if strings.Contains(log, bad) {
			g.t.Errorf("Linux says %q", bad)
		}
	}
}
