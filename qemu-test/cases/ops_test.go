package cases

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"basalt/mgmt/wire"
	"basalt/qemu-test/artefacts"
	"basalt/qemu-test/harness"
)

// opsWait is the longest that all steps of TestAPIOps may take.
const opsWait = 8 * time.Minute

// opsPorts are the ports of the guest beside its console: what the API calls them, and
// what Linux does.
var opsPorts = []struct{ api, guest string }{
	{"2", "ttyS1"}, {"3", "ttyS2"}, {"4", "ttyS3"}, {"tty", "hvc0"}, {"org.example.agent", "org.example.agent"},
}

// TestAPIOps: what the API does to a machine that runs, as its Linux sees it: UUID,
// serial and console ports, CPUs that come, the balloon, and all of it again after a
// suspend and in a clone. qemu-test/answer is the guest's side.
func TestAPIOps(t *testing.T) {
	t.Parallel()
	for _, h := range []struct {
		name    string
		machine harness.Machine
	}{
		// Guests run on two of the three: see package harness, known failures.
		{"amd-v", harness.Machine{MemMiB: 1024, CPUs: 3}},
		{"vt-x", harness.Machine{Emulator: harness.Bochs, Disk: built("basalt.img"), MIPS: 100, MemMiB: 1024}},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.machine.Limit = opsWait + 2*time.Minute
			n := boot(t, h.machine)
			o := startOps(t, n)
			for _, row := range []struct {
				name string
				run  func(*testing.T)
			}{
				{"identity", o.identity},
				{"ports", o.eachPort},
				{"cpus", o.moreCPUs},
				{"balloon", o.inflate},
				{"flood", o.flood},
				{"suspend", o.suspended},
				{"clone", o.cloned},
			} {
				t.Run(row.name, func(t *testing.T) {
					defer func(outer *testing.T) { o.g.t = outer }(o.g.t)
					o.g.t = t // what waits on the guest fails this row
					row.run(t)
				})
			}
			o.g.clean()
			n.quiet(t)
		})
	}
}

// ops is the guest and its ports, by the API's names.
type ops struct {
	g     *guest
	ports map[string]*asked
}

// asked is a port at whose other end is qemu-test/answer.
type asked struct {
	*terminal
	name string // as the guest knows it
}

// ask gives the answer to a request.
func (p *asked) ask(t *testing.T, request string) string {
	t.Helper()
	p.send(request)
	return p.answer(t)
}

// answer is the next answer; it must be this port's.
func (p *asked) answer(t *testing.T) string {
	t.Helper()
	m := p.expect(`(?m)^([^\r\n:]*): ([^\r\n]*)\r\n`)
	if m[1] != p.name {
		t.Fatalf("port %s answers on the wire of %s", m[1], p.name)
	}
	return m[2]
}

func (p *asked) want(t *testing.T, request, answer string) {
	t.Helper()
	if got := p.ask(t, request); got != answer {
		t.Errorf("%s: %s is %q, want %q", p.name, request, got, answer)
	}
}

const opsUUID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

// opsInitramfs is the shell's with qemu-test/answer and its modules behind it.
func opsInitramfs(t *testing.T) []byte {
	t.Helper()
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v (make cases)", err)
		}
		return b
	}
	modules, err := artefacts.AnswerModules(t.Context(), built("guests"))
	if err != nil {
		t.Fatal(err)
	}
	return artefacts.Join(read(built(filepath.Join("guests", artefacts.InitramfsName))), read(modules), artefacts.AnswerProgram(read(built("answer"))))
}

func startOps(t *testing.T, n *node) *ops {
	t.Helper()
	n.upload(t, "vmlinuz", built("guests/vmlinuz"))
	n.put(t, "initramfs", opsInitramfs(t))
	g := n.create(t, wire.VMCreate{Name: "ops", CPUs: 1, MaxCPUs: 2, MemoryMiB: 192, UUID: opsUUID,
		Boot:     wire.Boot{Kernel: "vmlinuz", Initrd: "initramfs", Cmdline: "console=ttyS0"},
		Consoles: []wire.Console{{Name: "tty", Terminal: true}, {Name: "org.example.agent"}}})
	g.act("start")
	o := &ops{g: g, ports: g.askable()}
	o.agent().send("echo early") // waits until the guest opens the port
	c := g.attach(opsWait)
	c.shell("ops")
	command := artefacts.AnswerCommand
	for _, p := range opsPorts {
		command += " " + p.guest
	}
	c.send(command)
	c.expect(`answers on 5 ports`)
	if got := o.agent().answer(t); got != "early" {
		t.Errorf("the first answer is %q", got)
	}
	return o
}

func (o *ops) agent() *asked { return o.ports["org.example.agent"] }

// askable attaches to all ports.
func (g *guest) askable() map[string]*asked {
	g.t.Helper()
	out := map[string]*asked{}
	for _, p := range opsPorts {
		out[p.api] = &asked{g.attachPort(p.api, opsWait), p.guest}
	}
	return out
}

// identity: the UUID that the API was given is what Linux reads.
func (o *ops) identity(t *testing.T) {
	o.agent().want(t, "uuid", opsUUID)
	if vm := o.g.show(); vm.UUID != opsUUID {
		t.Errorf("the host says %s", vm.UUID)
	}
}

// eachPort: both ways, and each is itself.
func (o *ops) eachPort(t *testing.T) {
	for name, p := range o.ports {
		p.want(t, "echo to-"+name, "to-"+name)
		log, err := o.g.api.PortLog(o.g.ctx, o.g.id, name)
		if err != nil || !bytes.HasSuffix(log, []byte("to-"+name+"\r\n")) {
			t.Errorf("%s: log %.100q, %v", name, log, err)
		}
	}
	_, err := o.g.api.PortLog(o.g.ctx, o.g.id, "none")
	refused(t, err, http.StatusNotFound, "serial ports are 1 to 4", "tty, org.example.agent")
}

// moreCPUs: one comes, and works when Linux is told to use it.
func (o *ops) moreCPUs(t *testing.T) {
	p, g := o.ports["tty"], o.g
	p.want(t, "cpus", "0")
	_, err := g.api.SetCPUs(g.ctx, g.id, 3)
	refused(t, err, http.StatusUnprocessableEntity, "cpus", "too many")
	if vm, err := g.api.SetCPUs(g.ctx, g.id, 2); err != nil || vm.CPUs != 2 {
		t.Fatalf("%v, it has %d", err, vm.CPUs)
	}
	p.want(t, "online 1", "0-1")
}

// inflate: Linux does without what it was asked for, and gets it back.
func (o *ops) inflate(t *testing.T) {
	g := o.g
	target := func(mib int) {
		t.Helper()
		if _, err := g.api.SetMemoryTarget(g.ctx, g.id, mib); err != nil {
			t.Fatal(err)
		}
		// The guest follows when it likes, and the API has no event for it.
		for end, want := time.Now().Add(guestWait), uint64(192-mib)<<20; g.show().MemoryBalloonBytes != want; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the guest does without %d bytes, want %d", g.show().MemoryBalloonBytes, want)
			}
		}
		o.ports["2"].want(t, "balloon", strconv.Itoa((192-mib)<<8))
	}
	target(160)
	target(192)
}

// flood: more than is kept; the end of it is there, and the port answers.
func (o *ops) flood(t *testing.T) {
	const kept = 16 << 10
	// A terminal's driver waits for every 16 bytes.
	for name, lines := range map[string]int{"org.example.agent": 3000, "tty": 300} {
		p := o.ports[name]
		p.send(fmt.Sprint("fill ", lines))
		p.expect(regexp.QuoteMeta(p.name) + `: filled\r\n`)
		log, err := o.g.api.PortLog(o.g.ctx, o.g.id, name)
		if err != nil || len(log) != kept || !strings.Contains(string(log), fmt.Sprintf("%d\r\n", lines-1)+p.name+": filled") {
			t.Errorf("%s: %d bytes, %v, ending with %q", name, len(log), err, log[max(0, len(log)-100):])
		}
		p.want(t, "echo on", "on")
	}
}

// suspended: what is sent to a machine that sleeps waits for it.
func (o *ops) suspended(t *testing.T) {
	o.g.suspend(wire.VMSuspend{})
	for name, p := range o.ports {
		p.send("echo slept-" + name)
	}
	o.g.act("resume")
	for name, p := range o.ports {
		if got := p.answer(t); got != "slept-"+name {
			t.Errorf("%s: %q", name, got)
		}
		p.want(t, "echo on-"+name, "on-"+name)
	}
	o.agent().want(t, "cpus", "0-1")
}

// cloned: a twin has ports, and a UUID, of its own.
func (o *ops) cloned(t *testing.T) {
	vm, err := o.g.api.Clone(o.g.ctx, o.g.id, wire.VMClone{Name: "twin"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if vm.UUID == opsUUID || len(vm.Consoles) != 2 || vm.CPUs != 2 || vm.MaxCPUs != 2 {
		t.Errorf("%+v", vm)
	}
	twin := o.g.adopt(t, vm)
	for name, p := range twin.askable() {
		p.want(t, "echo twin-"+name, "twin-"+name)
		o.ports[name].want(t, "echo first-"+name, "first-"+name)
	}
	twin.clean()
}
