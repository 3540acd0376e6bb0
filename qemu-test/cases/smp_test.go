package cases

import (
	"fmt"
	"strings"
	"testing"
)

// debianSMPGuest boots Debian's kernel with several CPUs: all of them come up and
// stay up, the counters agree, and the guest switches itself off.
func debianSMPGuest(cpus int) func(t *testing.T, n *node) {
	return func(t *testing.T, n *node) {
		g := n.debianSMP(t, fmt.Sprintf("debian-%d", cpus), cpus)
		c := g.console()
		c.shell("one")
		if up := fmt.Sprintf("smp: Brought up 1 node, %d CPUs", cpus); !strings.Contains(string(g.log()), up) {
			t.Errorf("Linux does not say %q", up)
		}
		c.send("cat /sys/devices/system/cpu/online; grep -c ^processor /proc/cpuinfo")
		c.expect(fmt.Sprintf(`0-%d\r?\n%d\r?\n`, cpus-1, cpus))
		g.clean()
		for _, bad := range []string{"do_IRQ", "failed to come online", "not responding", "TSC synchronization", "Measured", "turning off TSC"} {
			if strings.Contains(string(g.log()), bad) {
				t.Errorf("Linux says %q", bad)
			}
		}
		c.send("shutdown")
		if vm := g.state("off", "crashed"); vm.State != "off" || !strings.Contains(vm.Reason, "powered off by the guest") {
			t.Errorf("state %s, %q", vm.State, vm.Reason)
		}
	}
}

// smpGuest: every way in which processors reach each other.
func smpGuest(cpus int) func(t *testing.T, n *node) {
	return func(t *testing.T, n *node) {
		g := n.microSMP(t, "smp", cpus)
		c := g.console()
		c.expect(fmt.Sprintf(`(?m)^online %d\r?\n`, cpus-1))
		c.expect(`(?m)^each got \d+\r?\n`)
		c.expect(fmt.Sprintf(`^(ipis ok\r?\n){%d}nmis ok\r?\n`, cpus))
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
