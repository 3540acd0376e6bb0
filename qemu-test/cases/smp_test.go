package cases

import (
	"fmt"
	"strings"
	"testing"

	"basalt/mgmt/wire"
)

// debianSMPGuest boots Debian's kernel with several CPUs: all of them come up and
// stay up, the counters agree, and the guest switches itself off.
func debianSMPGuest(cpus int) func(t *testing.T, n *node) {
	return func(t *testing.T, n *node) {
		g := n.debianSMP(t, fmt.Sprintf("debian-%d", cpus), cpus)
		c := g.console()
		c.shell("one")
		g.logHas(fmt.Sprintf("smp: Brought up 1 node, %d CPUs", cpus), "KVM setup pv remote TLB flush")
		c.send("cat /sys/devices/system/cpu/online; grep -c ^processor /proc/cpuinfo")
		c.expect(fmt.Sprintf(`0-%d\r?\n%d\r?\n`, cpus-1, cpus))
		g.clean()
		g.logLacks("do_IRQ", "failed to come online", "not responding", "TSC synchronization", "Measured", "turning off TSC")
		c.shutdown()
	}
}

// smpGuest: every way in which processors reach each other.
func smpGuest(cpus int) func(t *testing.T, n *node) {
	return func(t *testing.T, n *node) { n.reach(t, n.microSMP(t, "smp", cpus), cpus, "") }
}

// wideStep gives all CPUs but the first APIC IDs over 255.
const wideStep = 256

// smpWideGuest is smpGuest with IDs for which xAPIC mode, a message's 8 bits and cluster 0
// have no room. The level goes to ID 256.
func smpWideGuest(t *testing.T, n *node) {
	const cpus = 4
	n.reach(t, n.microOf(t, wire.VMCreate{Name: "smp-wide", CPUs: cpus, APICIDStep: wideStep}), cpus, `shift ok\r?\nmessages ok\r?\nclusters ok\r?\n`)
}

// reach follows the guest smp; more is what it says behind its NMIs.
func (n *node) reach(t *testing.T, g *guest, cpus int, more string) {
	t.Helper()
	c := g.console()
	c.expect(fmt.Sprintf(`(?m)^online %d\r?\n`, cpus-1))
	c.expect(`(?m)^each got \d+\r?\n`)
	c.expect(fmt.Sprintf(`^(ipis ok\r?\n){%d}nmis ok\r?\n%s`, cpus, more))
	c.expect(`(?m)^stale 0\r?\n`)
	c.expect(`(?m)^hog ok\r?\n`)
	c.expect(`(?m)^restarted 5\r?\n`)
	c.expect(`(?m)^levels ok\r?\n`)
	c.expect(`(?m)^starts ok\r?\ndone`)
	n.alive(t)
	g.act("pause")
	g.act("resume")
	if vm := g.act("stop"); vm.State != "off" {
		t.Errorf("state %s", vm.State)
	}
}

// debianWideGuest boots Debian's kernel on CPUs with the APIC IDs 0, 256 and 512, to which
// one with ID 768 comes: all are used, CPUID and the tables agree, and the I/O APIC
// reaches the last.
func debianWideGuest(t *testing.T, n *node) {
	g := n.debianOf(t, wire.VMCreate{Name: "debian-wide", CPUs: 3, MaxCPUs: 4, APICIDStep: wideStep})
	c := g.console()
	c.shell("wide")
	g.logHas("x2apic: enabled by BIOS", "smp: Brought up 1 node, 3 CPUs")
	c.send("echo 7 >/proc/sys/kernel/printk; echo all-$((6*7))") // the shell's init left the console warnings only
	c.expect(`all-42`)
	if vm, err := g.api.SetCPUs(g.ctx, g.id, 4); err != nil || vm.CPUs != 4 {
		t.Fatalf("%v, it has %d", err, vm.CPUs)
	}
	c.expect("CPU3 has been hot-added")
	const cpus = "/sys/devices/system/cpu/"
	c.send("echo 1 >" + cpus + "cpu3/online; cat " + cpus + "online; grep ^apicid /proc/cpuinfo; cat " + cpus + "cpu3/topology/core_id")
	c.expect(`\b0-3\r?\napicid\s*: 0\r?\napicid\s*: 256\r?\napicid\s*: 512\r?\napicid\s*: 768\r?\n3\r?\n`)
	// The console's interrupt goes to the last from the one after the next on, so every line
	// behind the second comes by it.
	c.send("echo 8 >/proc/irq/4/smp_affinity; echo moving-$((6*7))")
	c.expect(`moving-42`)
	c.send("echo moved-$((6*7))")
	c.expect(`moved-42`)
	c.send("grep ttyS0 /proc/interrupts") // its answer may stand behind the prompt
	c.expect(`\s4:\s+\d+\s+\d+\s+\d+\s+[1-9]\d*\s+IO-APIC`)
	g.clean()
	g.logLacks("entry ignored", "mismatch", "do_IRQ", "failed to come online", "not responding", "TSC synchronization")
	c.shutdown()
}

// smpResets: the reset line by one of the others, again and again, and a pause
// between.
func smpResets(t *testing.T, n *node) {
	g := n.microSMP(t, "smp-reset", 4)
	c := g.console()
	for range 3 {
		c.expect(`(?m)^up 3\r?\n`)
	}
	g.act("pause")
	n.alive(t)
	g.act("resume")
	c.expect(`(?m)^up 3\r?\n`)
	if vm := g.act("stop"); vm.State != "off" {
		t.Errorf("state %s", vm.State)
	}
}

// smpTriples: a triple fault of one ends the machine and says whose it was.
func smpTriples(t *testing.T, n *node) {
	g := n.microSMP(t, "smp-triple", 4)
	if vm := g.state("crashed"); !strings.Contains(vm.Reason, "CPU 1: triple fault") {
		t.Errorf("reason %q", vm.Reason)
	}
	g.act("start")
	g.state("crashed")
	if vm := g.act("stop"); vm.State != "off" {
		t.Errorf("state %s", vm.State)
	}
	n.alive(t)
}

// smpOffs: one switches the machine off again and again, whatever the others do.
func smpOffs(t *testing.T, n *node) {
	g := n.microSMP(t, "smp-off", 4)
	for range 20 {
		if vm := g.state("off", "crashed"); !strings.Contains(vm.Reason, "powered off by the guest") {
			t.Errorf("state %s, %q", vm.State, vm.Reason)
		}
		g.act("start")
	}
	g.state("off")
}

// smpStorms: processors that interrupt each other without end leave the host, pause,
// reset and stop alive.
func smpStorms(t *testing.T, n *node) {
	g := n.microSMP(t, "smp-storm", 4)
	c := g.console()
	c.expect(`(?m)^up 3\r?\n`)
	n.alive(t)
	n.gc(t)
	g.act("pause")
	if vm := g.show(); vm.State != "paused" {
		t.Errorf("state %s, %s", vm.State, vm.Reason)
	}
	g.act("resume")
	g.act("reset")
	c.expect(`(?m)^up 3\r?\n`)
	if vm := g.act("stop"); vm.State != "off" {
		t.Errorf("state %s", vm.State)
	}
}
