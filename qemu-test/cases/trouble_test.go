package cases

import (
	"net/http"
	"strings"
	"testing"

	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

// troubleRows are machines on which no guest can run. Each serves its API and says
// why there, in its log and to whoever wants to start a guest.
var troubleRows = []row{
	{name: "no-virtualisation/qemu", machine: harness.Machine{CPUModel: "qemu64,-svm"}, want: []string{"no VT-x", "no AMD-V"}},
	{name: "no-npt/qemu", machine: harness.Machine{CPUModel: "EPYC,+svm,-npt"}, want: []string{"no nested paging (NPT)"}},
	{name: "little-memory/qemu", machine: harness.Machine{MemMiB: 64}, want: []string{"too little memory", "for itself"}},
	{name: "no-virtualisation/bochs", machine: harness.Machine{Emulator: harness.Bochs, MIPS: 100, Disk: built("basalt.img"), CPUModel: "p4_prescott_celeron_336"}, want: []string{"no VT-x", "no AMD-V"}},
	{name: "no-ept/bochs", machine: harness.Machine{Emulator: harness.Bochs, MIPS: 100, Disk: built("basalt.img"), CPUModel: "core2_penryn_t9600"}, want: []string{"without EPT"}},
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	for _, c := range troubleRows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := boot(t, c.machine)
			health, err := n.api.Health(n.ctx)
			if err != nil {
				t.Fatal(err)
			}
			h, err := n.api.Host(n.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if health.Status != "degraded" || h.CanRunVMs || h.Engine != "none" {
				t.Errorf("%+v, %+v", health, h)
			}
			for _, w := range c.want {
				for where, text := range map[string]string{"health": health.Reason, "host": h.Reason, "log": string(n.Log())} {
					if !strings.Contains(text, w) {
						t.Errorf("%s does not say %q: %.300q", where, w, text)
					}
				}
			}
			// The rest of the API works.
			if h.MemoryFreeBytes == 0 { // no room for a file
				_, err := n.api.PutFile(n.ctx, "large", &counted{}, 4<<20, false)
				refused(t, err, http.StatusInsufficientStorage, "does not fit")
				n.quiet(t)
				return
			}
			n.put(t, "hello", guests.Build("hello"))
			g := n.create(t, wire.VMCreate{Name: "hello", MemoryMiB: 32, Boot: wire.Boot{Kernel: "hello"}})
			_, err = n.api.Act(n.ctx, g.id, "start")
			refused(t, err, http.StatusServiceUnavailable, c.want...)
			n.quiet(t)
		})
	}
}
