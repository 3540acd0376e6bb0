package cases

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

// stateHosts are the hosts of each engine: one on which a machine stays, and one that
// is started twice. The counters of those two must have the same frequency, which a
// host measures: on the first kind of QEMU it differs by more than a guest bears.
var stateHosts = []struct {
	name         string
	stay, travel harness.Machine
}{
	{"amd-v", harness.Machine{MemMiB: 1024, CPUs: 3}, harness.Machine{MemMiB: 1024, Icount: true}},
	{"vt-x", harness.Machine{Emulator: harness.Bochs, Disk: built("basalt.img"), MIPS: 100, MemMiB: 1024},
		harness.Machine{Emulator: harness.Bochs, Disk: built("basalt.img"), MIPS: 100, MemMiB: 1024}},
}

// TestState: machines are suspended, resumed, cloned and carried to another host
// while they work; nothing is lost, and no clock goes back.
func TestState(t *testing.T) {
	t.Parallel()
	for _, h := range stateHosts {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.stay.Limit, h.travel.Limit = 12*time.Minute, 8*time.Minute
			t.Run("stay", func(t *testing.T) {
				n := boot(t, h.stay)
				t.Run("cycles", func(t *testing.T) { suspendCycles(t, n) })
				t.Run("clone", func(t *testing.T) { cloneBesideIt(t, n) })
				t.Run("debian", func(t *testing.T) { suspendDebian(t, n) })
				t.Run("bad", func(t *testing.T) { badStates(t, n) })
				n.quiet(t)
			})
			var taken carried
			t.Run("leave", func(t *testing.T) {
				n := boot(t, h.travel)
				taken = leave(t, n)
				n.quiet(t)
			})
			if taken.state == nil {
				t.Fatal("there is nothing to carry to another host")
			}
			t.Run("arrive", func(t *testing.T) {
				n := boot(t, h.travel)
				arrive(t, n, taken)
				n.quiet(t)
			})
		})
	}
}

// suspend writes the state of a machine, which has to succeed.
func (g *guest) suspend(in wire.VMSuspend) wire.VM {
	g.t.Helper()
	vm, err := g.api.Suspend(g.ctx, g.id, in, nil)
	if err != nil {
		g.t.Fatalf("suspend: %v", err)
	}
	if vm.State != "suspended" || vm.MemoryUsedBytes != 0 {
		g.t.Errorf("after a suspend: %+v", vm)
	}
	return vm
}

// rounds waits for some rounds of the guest verify and gives the last one's number.
func rounds(c *terminal) (n int) {
	c.g.t.Helper()
	for range 2 {
		m := c.expect(`(?m)^(round|lost|counter) ([^\r\n]*)\r?\n`)
		if m[1] != "round" {
			c.g.t.Fatalf("the guest says %q", m[0])
		}
		n, _ = strconv.Atoi(m[2])
	}
	return n
}

// adopt makes a guest of a machine that the host has made.
func (n *node) adopt(t *testing.T, vm wire.VM) *guest {
	t.Helper()
	g := &guest{node: n, t: t, id: vm.ID}
	t.Cleanup(func() {
		if t.Failed() {
			g.evidence(vm.Name)
		}
		g.api.Act(g.ctx, g.id, "stop")
		if err := g.api.DeleteVM(g.ctx, g.id); err != nil {
			t.Errorf("delete %s: %v", vm.Name, err)
		}
	})
	return g
}

// suspendCycles: again and again, from running and paused; the guest goes on in the
// middle of its work.
func suspendCycles(t *testing.T, n *node) {
	g := n.microSMP(t, "verify", 2)
	c := g.console()
	last := rounds(c)
	for i := range 5 {
		if i == 3 {
			g.act("pause")
		}
		g.suspend(wire.VMSuspend{})
		s, err := n.api.State(n.ctx, "verify.state", true)
		if err != nil || s.Name != "verify" || s.CPUs != 2 || s.MemoryMiB != 32 || s.Saved == nil || !s.Checked {
			t.Errorf("%+v, %v", s, err)
		}
		refused(t, n.api.RemoveFile(n.ctx, "verify.state"), http.StatusConflict, "verify")
		_, err = n.api.Act(n.ctx, g.id, "pause")
		refused(t, err, http.StatusConflict, "suspended")
		if vm := g.act("resume"); vm.State != "running" || vm.StateFile != "" {
			t.Errorf("after a resume: %+v", vm)
		}
		now := rounds(c)
		if now <= last {
			t.Errorf("round %d after %d", now, last)
		}
		last = now
	}
	g.suspend(wire.VMSuspend{File: "thrown/away"})
	if vm := g.act("discard"); vm.State != "off" {
		t.Errorf("state %s", vm.State)
	}
	files, err := n.api.Files(n.ctx, "thrown")
	if err != nil || len(files.Files) != 0 {
		t.Errorf("%+v, %v", files.Files, err)
	}
}

// cloneBesideIt: both go on, and clones can be cloned.
func cloneBesideIt(t *testing.T, n *node) {
	g := n.micro(t, "verify")
	c := g.console()
	at := rounds(c)
	for _, name := range []string{"one", "two"} {
		vm, err := n.api.Clone(n.ctx, g.id, wire.VMClone{Name: name}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if vm.State != "running" || g.show().State != "running" {
			t.Errorf("state %s beside %s", vm.State, g.show().State)
		}
		twin := n.adopt(t, vm).console()
		if r := rounds(twin); r <= at {
			t.Errorf("the clone is at round %d, after %d", r, at)
		}
	}
	if r := rounds(c); r <= at {
		t.Errorf("round %d after %d", r, at)
	}
}

// suspendDebian: Linux with two CPUs sees nothing but time that stood still.
func suspendDebian(t *testing.T, n *node) {
	g := n.debianSMP(t, "linux", 2)
	c := g.console()
	c.shell("before")
	// uptime is hundredths of a second.
	uptime := func() int {
		c.send("cat /proc/uptime; echo now-$((6*7))")
		// What is typed while a command runs is echoed before the next prompt, which then
		// stands in front of the answer.
		m := c.expect(`\b(\d+)\.(\d\d) \d+\.\d\d\r?\n[\s\S]*now-42`)
		s, _ := strconv.Atoi(m[1] + m[2])
		return s
	}
	last := uptime()
	for range 3 {
		g.suspend(wire.VMSuspend{})
		g.act("resume")
		now := uptime()
		if now < last {
			t.Errorf("the guest's uptime went from %d to %d", last, now)
		}
		last = now
	}
	vm, err := n.api.Clone(n.ctx, g.id, wire.VMClone{Name: "linux2"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	twin := n.adopt(t, vm)
	for _, x := range []*terminal{c, twin.console()} {
		x.send("echo after-$((6*7))")
		x.expect(`after-42`)
	}
	g.clean()
	twin.clean()
	c.send("shutdown")
	if vm := g.state("off", "crashed"); vm.State != "off" {
		t.Errorf("state %s, %q", vm.State, vm.Reason)
	}
}

// download gives a file's content.
func (n *node) download(t *testing.T, path string) []byte {
	t.Helper()
	r, _, err := n.api.GetFile(n.ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// badStates: each has an error of its own, nothing is left, and the machine that was
// saved still goes on.
func badStates(t *testing.T, n *node) {
	g := n.micro(t, "verify")
	c := g.console()
	last := rounds(c)
	g.suspend(wire.VMSuspend{File: "good"})
	state := n.download(t, "good")
	free := n.alive(t).MemoryFreeBytes
	// word replaces a text in the header by one of the same length.
	word := func(from, to string) []byte { return headerWith(t, state, from, to) }
	flip := func(i int) []byte {
		b := bytes.Clone(state)
		b[i] ^= 0x10
		return b
	}
	version := bytes.Clone(state)
	version[8] = 7
	engine := n.alive(t).Engine
	other := map[string]string{"amd-v": "amd-x", "vt-x": "vt-y"}[engine]
	for name, x := range map[string]struct {
		state  []byte
		status int
		words  []string
	}{
		"nothing":    {[]byte{}, http.StatusUnprocessableEntity, []string{"not a saved machine"}},
		"a text":     {[]byte("this is a text, and no machine"), http.StatusUnprocessableEntity, []string{"not a saved machine"}},
		"cut":        {state[:len(state)-1], http.StatusUnprocessableEntity, []string{"ends too early", "offset"}},
		"cut early":  {state[:100], http.StatusUnprocessableEntity, []string{"ends too early"}},
		"cut middle": {state[:len(state)/2], http.StatusUnprocessableEntity, []string{"ends too early"}},
		"flipped":    {flip(len(state) / 2), http.StatusUnprocessableEntity, []string{"checksum is wrong", "offset"}},
		"header":     {flip(60), http.StatusUnprocessableEntity, []string{"header", "checksum is wrong"}},
		"version":    {version, http.StatusConflict, []string{"format version 7", "newest known is 1"}},
		"engine":     {word(engine, other), http.StatusConflict, []string{"saved on engine " + other, "this host has " + engine}},
		"100 GB":     {word(`"MemoryMiB":32,`, `"MemoryMiB":102400,`), http.StatusInsufficientStorage, []string{"memoryMiB: 102400"}},
		"level":      {word(`"CPULevel":""`, `"CPULevel":"x86-64-v9"`), http.StatusConflict, []string{"cpuLevel", "x86-64-v9"}},
		"hardware":   {word(fmt.Sprintf(`"Hardware":%d`, n.alive(t).HardwareNewest), `"Hardware":99`), http.StatusConflict, []string{"hardware", "99"}},
	} {
		n.put(t, "bad", x.state)
		_, err := n.api.Restore(n.ctx, wire.VMRestore{File: "bad", Name: "bad"}, nil)
		if err == nil {
			t.Errorf("%s: it was restored", name)
			continue
		}
		t.Logf("%s: %v", name, err)
		refused(t, err, x.status, x.words...)
		if _, err := n.api.VM(n.ctx, "bad"); err == nil {
			t.Errorf("%s: something is left", name)
		}
	}
	if err := n.api.RemoveFile(n.ctx, "bad"); err != nil {
		t.Error(err)
	}
	if now := n.alive(t).MemoryFreeBytes; now+(8<<20) < free {
		t.Errorf("free memory went from %d to %d MiB", free>>20, now>>20)
	}
	// A cancelled save leaves the machine as it was.
	g.act("resume")
	ctx, cancel := context.WithCancel(n.ctx)
	cancel()
	if _, err := n.api.Suspend(ctx, g.id, wire.VMSuspend{}, nil); err == nil {
		t.Error("a cancelled suspend succeeded")
	}
	if r := rounds(c); r <= last {
		t.Errorf("round %d after %d", r, last)
	}
}

// headerWith gives the state with a text in the header exchanged and all lengths and
// checksums of it right: somebody has made it so.
func headerWith(t *testing.T, state []byte, from, to string) []byte {
	t.Helper()
	const prefix, record = 12, 16
	nameLen := int(binary.LittleEndian.Uint16(state[prefix+2:]))
	at := prefix + record + nameLen
	length := int(binary.LittleEndian.Uint64(state[prefix+4:]))
	payload := state[at : at+length]
	i := bytes.Index(payload, []byte(from))
	if i < 0 {
		t.Fatalf("the header has no %q", from)
	}
	fresh := append(bytes.Clone(payload[:i]), to...)
	fresh = append(fresh, payload[i+len(from):]...)
	if d := len(to) - len(from); d != 0 { // it is in the last field, whose length is before it
		j := bytes.Index(payload, []byte(`{"`)) - 4 // random bytes before it may have a brace
		binary.LittleEndian.PutUint32(fresh[j:], binary.LittleEndian.Uint32(payload[j:])+uint32(d))
	}
	head := bytes.Clone(state[:at])
	binary.LittleEndian.PutUint64(head[prefix+4:], uint64(len(fresh)))
	binary.LittleEndian.PutUint32(head[prefix+12:], crc(head[prefix:prefix+12], head[prefix+record:]))
	out := append(head, fresh...)
	out = binary.LittleEndian.AppendUint32(out, crc(fresh))
	return append(out, state[at+length+4:]...)
}

// carried is a machine between two hosts.
type carried struct {
	state, disk []byte
	round       int
}

// leave suspends a machine with a disk and takes it along.
func leave(t *testing.T, n *node) (out carried) {
	n.put(t, "data.img", bytes.Repeat([]byte("basalt! "), 1<<17))
	n.put(t, "micro/verify", guestImage(t, "verify"))
	g := n.create(t, wire.VMCreate{Name: "traveller", CPUs: 2, MemoryMiB: 32, Boot: wire.Boot{Kernel: "micro/verify"},
		Disks: []wire.Disk{{Kind: "image", Image: "data.img"}}, NICs: []wire.NIC{{Network: "nat"}}})
	g.act("start")
	out.round = rounds(g.console())
	g.suspend(wire.VMSuspend{})
	refused(t, n.api.RemoveFile(n.ctx, "data.img"), http.StatusConflict, "traveller")
	out.state, out.disk = n.download(t, "traveller.state"), n.download(t, "data.img")
	g.act("discard")
	return out
}

// arrive restores it on a host that has never seen it.
func arrive(t *testing.T, n *node, x carried) {
	n.put(t, "came.state", x.state)
	_, err := n.api.Restore(n.ctx, wire.VMRestore{File: "came.state"}, nil)
	refused(t, err, http.StatusConflict, "disks[0].image", "data.img")
	n.put(t, "data.img", x.disk[:len(x.disk)/2])
	_, err = n.api.Restore(n.ctx, wire.VMRestore{File: "came.state"}, nil)
	refused(t, err, http.StatusUnprocessableEntity, "a disk of")
	n.put(t, "data.img", x.disk)
	vm, err := n.api.Restore(n.ctx, wire.VMRestore{File: "came.state"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if vm.Name != "traveller" || vm.State != "running" || len(vm.NICs) != 1 || vm.CPUs != 2 {
		t.Errorf("%+v", vm)
	}
	g := n.adopt(t, vm)
	if r := rounds(g.console()); r <= x.round {
		t.Errorf("round %d, it left after %d", r, x.round)
	}
	// A second one, beside the first: its disk and its address are taken.
	_, err = n.api.Restore(n.ctx, wire.VMRestore{File: "came.state", Name: "again"}, nil)
	refused(t, err, http.StatusConflict, "data.img", "traveller")
	n.put(t, "copy.img", x.disk)
	images := map[string]string{"disk0": "copy.img"}
	_, err = n.api.Restore(n.ctx, wire.VMRestore{File: "came.state", Name: "again", Images: images}, nil)
	refused(t, err, http.StatusConflict, strings.ToLower(vm.NICs[0].MAC), "traveller")
	again, err := n.api.Restore(n.ctx, wire.VMRestore{File: "came.state", Name: "again", Images: images, NICs: "new"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.NICs[0].MAC == vm.NICs[0].MAC {
		t.Error("two adapters have one address")
	}
	rounds(n.adopt(t, again).console())
	rounds(g.console())
}

func crc(parts ...[]byte) (sum uint32) {
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
	}
	return sum
}

func guestImage(t *testing.T, name string) []byte {
	t.Helper()
	image := guests.Build(name)
	if image == nil {
		t.Fatalf("no guest %s", name)
	}
	return image
}
