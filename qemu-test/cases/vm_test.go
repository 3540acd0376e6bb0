package cases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
			g.evidence(in.Name)
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

// evidence keeps what there is to know of a machine whose test has failed: the end of
// its console, what it and the host count, a second apart, and the host's goroutines.
func (g *guest) evidence(name string) {
	g.t.Log(again(g.t, "console of %s ends with:\n%s", name, harness.Tail(g.log(), 30)))
	select {
	case <-g.Exited():
		return
	default:
	}
	var text strings.Builder
	for range 2 {
		vm := g.get(g.t, "/api/v1/vms/"+g.id)
		again(g.t, "its machine: %s", cut(vm, 2048))
		fmt.Fprintf(&text, "%s\n%s\n", vm, g.get(g.t, "/api/v1/stats"))
		select {
		case <-g.Exited():
			return
		case <-time.After(time.Second):
		}
	}
	text.WriteString(g.get(g.t, "/debug/pprof/goroutine?debug=2"))
	file := filepath.Join(g.Dir, "evidence-"+name+".txt")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		g.t.Error(err)
	}
	g.t.Logf("counters and goroutines are in %s", file)
}

// micro creates and starts one of the micro guests.
func (n *node) micro(t *testing.T, name string) *guest { return n.microSMP(t, name, 1) }

// microSMP is micro with several CPUs.
func (n *node) microSMP(t *testing.T, name string, cpus int) *guest {
	t.Helper()
	return n.microOf(t, wire.VMCreate{Name: name, CPUs: cpus})
}

// microOf is micro on such a machine; its name is the guest's.
func (n *node) microOf(t *testing.T, c wire.VMCreate) *guest {
	t.Helper()
	name := c.Name
	image := guests.Build(name)
	if image == nil {
		t.Fatalf("no guest %s", name)
	}
	n.put(t, "micro/"+name, image)
	c.MemoryMiB, c.Boot = 32, wire.Boot{Kernel: "micro/" + name}
	g := n.create(t, c)
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
			g.t.Fatal(again(g.t, "state %s (%s), want %v", vm.State, vm.Reason, want))
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

// attach is console with a time for each thing that is expected.
func (g *guest) attach(wait time.Duration) *terminal { return g.attachPort("", wait) }

// attachPort is attach for another port than the console.
func (g *guest) attachPort(port string, wait time.Duration) *terminal {
	g.t.Helper()
	ctx, cancel := context.WithCancelCause(g.ctx)
	g.t.Cleanup(func() { cancel(nil) })
	met := make(chan struct{}, 1)
	go g.watch(ctx, cancel, wait, met)
	ws, err := g.api.Port(ctx, g.id, port, 256<<10)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { ws.CloseNow() })
	return &terminal{g: g, ctx: ctx, ws: ws, met: met}
}

// watch ends the wait for a console whose machine has crashed, and a wait that takes
// longer than its time: met says that the last one is over.
func (g *guest) watch(ctx context.Context, cancel context.CancelCauseFunc, wait time.Duration, met <-chan struct{}) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	over := time.After(wait)
	crashed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-met:
			over = time.After(wait)
			continue
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
	seen []byte          // not matched yet
	met  chan<- struct{} // something that was expected has come
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
			select {
			case c.met <- struct{}{}:
			default:
			}
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
			c.g.t.Fatal(again(c.g.t, "waiting for %q on the guest's console: %v; behind the last that came it has %q", pattern, err, cut(string(c.seen), 2048)))
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
	return n.debianOf(t, wire.VMCreate{Name: name, CPUs: cpus})
}

// debianOf is debian on such a machine.
func (n *node) debianOf(t *testing.T, c wire.VMCreate) *guest {
	t.Helper()
	files, err := n.api.Files(n.ctx, "debian/")
	if err != nil {
		t.Fatal(err)
	}
	if len(files.Files) < 2 {
		n.upload(t, "debian/vmlinuz", built("guests/vmlinuz"))
		n.upload(t, "debian/initramfs", built("guests/"+artefacts.InitramfsName))
	}
	c.MemoryMiB, c.Boot = 192, wire.Boot{Kernel: "debian/vmlinuz", Initrd: "debian/initramfs", Cmdline: "console=ttyS0"}
	g := n.create(t, c)
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

// shutdown has the shell switch the machine off.
func (c *terminal) shutdown() {
	c.g.t.Helper()
	c.send("shutdown")
	if vm := c.g.state("off", "crashed"); vm.State != "off" || !strings.Contains(vm.Reason, "powered off by the guest") {
		c.g.t.Errorf("state %s, %q", vm.State, vm.Reason)
	}
}

// logHas and logLacks look for texts in the log of the guest's console.
func (g *guest) logHas(texts ...string) {
	g.t.Helper()
	for _, s := range texts {
		if !strings.Contains(string(g.log()), s) {
			g.t.Error(again(g.t, "the guest does not say %q", s))
		}
	}
}

func (g *guest) logLacks(texts ...string) {
	g.t.Helper()
	for _, s := range texts {
		if strings.Contains(string(g.log()), s) {
			g.t.Error(again(g.t, "the guest says %q", s))
		}
	}
}

// clean says that Linux saw nothing wrong with its machine.
func (g *guest) clean() {
	g.t.Helper()
	log := string(g.log())
	for _, bad := range []string{"BUG:", "WARNING: CPU", "Oops", "unchecked MSR", "Call Trace", "rcu_sched self-detected", "soft lockup", "clocksource: Marking"} {
		if strings.Contains(log, bad) {
			g.t.Error(again(g.t, "Linux says %q", bad))
		}
	}
}
