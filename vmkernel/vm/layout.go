package vm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/pcie"
)

// savedConfig is the configuration in a state's header: the machine's, and where its
// devices are. A machine whose devices came and went while it ran has them in other
// slots than one that is started with the same configuration, and another number of
// slots.
type savedConfig struct {
	host.Config
	Layout *layout `json:",omitempty"` // nil: as a start has it
}

// layout is what device is where.
type layout struct {
	Slots  int
	Places []place
	// Memory is what came while the machine ran, in MiB, in its order.
	Memory []int `json:",omitempty"`
}

// place is one device of the configuration.
type place struct {
	Name string
	Slot int
	// Bell says that it has a doorbell in I/O space.
	Bell bool `json:",omitempty"`
	// Queues, or pairs of them, are those that it was made with; 0: one for each
	// processor of the configuration, up to maxQueues.
	Queues int `json:",omitempty"`
	// Leaving says that the guest was asked to let it go.
	Leaving bool `json:",omitempty"`
}

// layout is the board's own.
func (b *board) layout() *layout {
	l := &layout{Slots: b.slots, Memory: b.space.added}
	for _, d := range b.devices {
		if d.name != "" {
			p := place{Name: d.name, Slot: d.slot, Bell: d.bell, Leaving: d.leaving != nil}
			if d.queues != b.queues(p) { // processors came after it
				p.Queues = d.queues
			}
			l.Places = append(l.Places, p)
		}
	}
	slices.SortFunc(l.Places, func(x, y place) int { return x.Slot - y.Slot })
	return l
}

// maxQueues bounds the queues of a disk and the pairs of an adapter: one for each
// processor that the machine has when it comes, up to this.
const maxQueues = 4

// queues is how many a device in this place has.
func (b *board) queues(at place) int { return cmp.Or(at.Queues, min(b.numCPUs, maxQueues)) }

// standard is where a start puts the devices of a configuration.
func standard(c host.Config) *layout {
	l := &layout{Slots: len(c.Disks) + len(c.NICs) + spareSlots}
	add := func(name string) {
		// The board's own device is one of those with a doorbell.
		l.Places = append(l.Places, place{Name: name, Slot: len(l.Places), Bell: len(l.Places)+1 < portDoorbells})
	}
	for _, d := range c.Disks {
		add(d.Name)
	}
	for _, n := range c.NICs {
		add(n.Name)
	}
	return l
}

// check says whether the layout, which comes from a state, is one of c.
func (l *layout) check(c host.Config) error {
	if l.Slots < 0 || l.Slots > pcie.MaxSlots {
		return fmt.Errorf("layout: %d slots", l.Slots)
	}
	if err := checkAdded(c, l.Memory); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	var names []string
	for _, d := range c.Disks {
		names = append(names, d.Name)
	}
	for _, n := range c.NICs {
		names = append(names, n.Name)
	}
	if len(names) != len(l.Places) {
		return fmt.Errorf("layout: %d devices are in slots, the configuration has %d", len(l.Places), len(names))
	}
	slots, bells := map[int]bool{}, 1
	for _, p := range l.Places {
		i := slices.Index(names, p.Name)
		if i < 0 || p.Slot < 0 || p.Slot >= l.Slots || slots[p.Slot] {
			return fmt.Errorf("layout: device %q in slot %d of %d", p.Name, p.Slot, l.Slots)
		}
		if p.Queues < 0 || p.Queues > maxQueues {
			return fmt.Errorf("layout: device %q has %d queues", p.Name, p.Queues)
		}
		names = slices.Delete(names, i, i+1)
		slots[p.Slot] = true
		if p.Bell {
			bells++
		}
	}
	if bells > portDoorbells {
		return fmt.Errorf("layout: %d doorbells", bells)
	}
	return nil
}

// of gives the place of a device of the configuration.
func (l *layout) of(name string) place {
	return l.Places[slices.IndexFunc(l.Places, func(p place) bool { return p.Name == name })]
}

// alike says what of want a guest that was saved with have would see as another
// machine: only what stands behind disks and adapters may differ.
func alike(have, want host.Config) error {
	differs := func(field string) error {
		return &host.ConfigError{Field: field, Err: errors.New("the saved machine has another one")}
	}
	switch {
	case have.CPUs != want.CPUs:
		return differs("cpus")
	case have.MaxCPUs != want.MaxCPUs:
		return differs("maxCPUs")
	case have.VsockCID != want.VsockCID:
		return differs("vsockCID")
	case have.MemoryMiB != want.MemoryMiB:
		return differs("memoryMiB")
	case have.MaxMemoryMiB != want.MaxMemoryMiB:
		return differs("maxMemoryMiB")
	case have.NUMANodes != want.NUMANodes:
		return differs("numaNodes")
	case have.CPULevel != want.CPULevel:
		return differs("cpuLevel")
	case have.TestDevice != want.TestDevice:
		return differs("testDevice")
	case have.XAPICOnly != want.XAPICOnly:
		return differs("xapicOnly")
	case have.APICIDShift() != want.APICIDShift():
		return differs("apicIDStep")
	case have.Hardware != want.Hardware:
		return differs("hardware")
	case !slices.Equal(have.Consoles, want.Consoles):
		return differs("consoles")
	case len(have.Disks) != len(want.Disks):
		return differs("disks")
	case len(have.NICs) != len(want.NICs):
		return differs("nics")
	}
	for i, h := range have.Disks {
		if w := want.Disks[i]; h.Name != w.Name || h.ReadOnly != w.ReadOnly {
			return differs(fmt.Sprintf("disks[%d]", i))
		}
	}
	for i, h := range have.NICs {
		if w := want.NICs[i]; h.Name != w.Name || h.MAC != w.MAC {
			return differs(fmt.Sprintf("nics[%d]", i))
		}
	}
	return nil
}
