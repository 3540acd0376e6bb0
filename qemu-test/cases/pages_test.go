package cases

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

// mapping is a line of QEMU's "info tlb": address, frame, and the flags no-execute,
// global, large, dirty, accessed, cache disabled, write-through, user, writable.
var mapping = regexp.MustCompile(`^([0-9a-f]{16}): ([0-9a-f]{16}) ([X-])([G-])([P-])([D-])([A-])([C-])([T-])([U-])([W-])\s*$`)

// TestPages walks the page tables of a running host: nothing is both writable and
// executable, and page 0 is not mapped.
func TestPages(t *testing.T) {
	t.Parallel()
	n := boot(t, harness.Machine{CPUs: 2})
	n.put(t, "hello", guests.Build("hello"))
	g := n.create(t, wire.VMCreate{Name: "hello", MemoryMiB: 32, Boot: wire.Boot{Kernel: "hello"}})
	g.act("start")
	g.console().expect("hello from the guest")
	for cpu := range 2 {
		if _, err := n.QMP("human-monitor-command", map[string]any{"command-line": "cpu " + strconv.Itoa(cpu), "cpu-index": cpu}); err != nil {
			t.Fatal(err)
		}
		raw, err := n.QMP("human-monitor-command", map[string]any{"command-line": "info tlb", "cpu-index": cpu})
		if err != nil {
			t.Fatal(err)
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			t.Fatal(err)
		}
		mapped, code, bad := 0, 0, 0
		for line := range strings.Lines(text) {
			m := mapping.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
			if m == nil {
				t.Fatalf("QEMU says %q", line)
			}
			addr, err := strconv.ParseUint(m[1], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			mapped++
			executable, writable := m[3] == "-", m[11] == "W"
			if executable {
				code++
			}
			if executable && writable || addr < 0x1000 {
				if bad++; bad <= 10 {
					t.Errorf("CPU %d: %s", cpu, line)
				}
			}
		}
		if mapped < 100 || code == 0 {
			t.Errorf("CPU %d has %d mappings, %d of them executable", cpu, mapped, code)
		}
		t.Logf("CPU %d: %d mappings, %d executable", cpu, mapped, code)
	}
	n.quiet(t)
}
