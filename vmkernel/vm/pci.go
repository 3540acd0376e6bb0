package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/acpitables"
	"basalt/vmkernel/vdev/ioapic"
	"basalt/vmkernel/vdev/pcie"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vswitch"
)

const (
	// spareSlots are root ports for devices that come while the machine runs.
	spareSlots = 4
	// portDoorbells is how many devices get a doorbell in I/O space: each takes a
	// window of 4 KiB behind its root port, and 64 KiB is all there is.
	portDoorbells = 12
)

// quietWait is how long the owner waits for a device's requests in flight. Tests
// shorten it.
var quietWait = 30 * time.Second

// function is what the owner asks of a device behind the root complex.
type function interface {
	pcie.Function
	PCI() virtio.PCI
	Connect(virtio.Interrupts)
	Pause(context.Context) error
	Resume()
	ResetDone(context.Context) error
	Close(context.Context) error
}

// plugged is one device behind the root complex.
type plugged struct {
	name string // of the configuration; "" for the board's own
	kind string // diskKind, nicKind
	slot int    // -1: on bus 0
	bell bool   // it has a doorbell in I/O space
	// queues, or pairs of them, of a device of the configuration.
	queues int
	f      function
	at     *pcie.Endpoint
	// resized tells the guest of a disk's new size.
	resized func()
	// port and link are an adapter's place on its switch and its carrier.
	port     *vswitch.Port
	forwards func() // ends them; nil: there are none
	link     func(up bool)
	linked   func() bool
	count    func(*host.Status) // adds its counters; nil: it has none
	leaving  chan struct{}      // made when the guest was asked; closed when it is out
	overhead overhead
}

// buses makes the root complex.
func (b *board) buses(slots int, io *ioapic.IOAPIC, physBits uint8) error {
	var err error
	if b.windows, err = pcie.Layout(b.space.low, b.space.top(), physBits); err != nil {
		return err
	}
	b.slots = slots
	b.pci, err = pcie.New(pcie.RootConfig{Bus: b.bus, Sink: b.apics, Slots: b.slots, Windows: b.windows,
		Line: func(gsi int) vbus.Line { return io.Line(gsi) }})
	return err
}

// acpiPCI is what the tables say of the root complex.
func (b *board) acpiPCI() *acpitables.PCIe {
	p := &acpitables.PCIe{Slots: b.slots, Windows: b.windows}
	for _, d := range b.devices {
		if d.slot == onBus0 {
			p.Fixed++
		}
	}
	return p
}

// onBus0 is the slot of a device that stays for the machine's life.
const onBus0 = -1

// freeSlot is the lowest slot without a device, or one that does not exist. One whose
// card was pulled out comes last: a guest that has not seen that yet, because it did
// not run, takes the button of the next card for the wish to let the first one go.
func (b *board) freeSlot() (n int) {
	taken := func() bool { return slices.ContainsFunc(b.devices, func(d *plugged) bool { return d.slot == n }) }
	for n = 0; n < b.slots; n++ {
		if !taken() && !slices.Contains(b.emptied, n) {
			return n
		}
	}
	for n = 0; taken(); n++ {
	}
	return n
}

// plug puts a device into its slot.
func (b *board) plug(d *plugged) error {
	p := d.f.PCI()
	c := pcie.Config{Vendor: p.Vendor, Device: p.Device, SubVendor: p.SubVendor, SubDevice: p.SubDevice, Revision: p.Revision,
		Class: p.Class, Pin: p.Pin, Vectors: p.Vectors, MSIXBAR: virtio.MSIXBAR}
	c.BARs[virtio.RegistersBAR] = pcie.BAR{Size: p.BARSize, Kind: pcie.Mem32}
	c.BARs[virtio.DoorbellBAR] = pcie.BAR{Size: p.DoorbellSize, Kind: pcie.IO}
	for _, x := range p.Capabilities {
		c.Capabilities = append(c.Capabilities, pcie.Capability{ID: x.ID, Body: x.Body, Writable: x.Writable, Read: x.Read, Write: x.Write})
	}
	at, err := pcie.NewEndpoint(c, d.f)
	if err != nil {
		return err
	}
	d.f.Connect(at)
	if d.slot == onBus0 {
		_, err = b.pci.PlugFixed(at)
	} else {
		_, err = b.pci.PlugSlot(at, d.slot)
	}
	if err != nil {
		if errors.Is(err, pcie.ErrLimit) {
			err = fmt.Errorf("%w: %w", host.ErrNoSlot, err)
		}
		return err
	}
	d.at = at
	b.listMu.Lock()
	b.devices = append(b.devices, d)
	b.listMu.Unlock()
	return nil
}

// device finds a device of the configuration.
func (b *board) device(kind, name string) *plugged {
	for _, d := range b.devices {
		if d.kind == kind && d.name == name {
			return d
		}
	}
	return nil
}

// forget takes a device off the list.
func (b *board) forget(d *plugged) {
	b.listMu.Lock()
	defer b.listMu.Unlock()
	for i, o := range b.devices {
		if o == d {
			b.devices = append(b.devices[:i:i], b.devices[i+1:]...)
			if !slices.Contains(b.emptied, d.slot) {
				b.emptied = append(b.emptied, d.slot)
			}
		}
	}
}

// quiesce makes every device leave guest memory alone until awaken. It fails when
// requests do not come back in quietWait; then everything goes on.
func (b *board) quiesce() error {
	ctx, cancel := context.WithTimeout(context.Background(), quietWait)
	defer cancel()
	for _, d := range b.devices {
		if err := d.f.Pause(ctx); err != nil {
			b.awaken()
			return err
		}
	}
	return nil
}

// awaken ends quiesce.
func (b *board) awaken() {
	for _, d := range b.devices {
		d.f.Resume()
	}
}

// settled waits until every device's reset is over: none touches guest memory.
func (b *board) settled() error {
	ctx, cancel := context.WithTimeout(context.Background(), quietWait)
	defer cancel()
	for _, d := range b.devices {
		if err := d.f.ResetDone(ctx); err != nil {
			return err
		}
	}
	return nil
}

// unplugAll ends every device, before the memory goes away. One whose requests do not
// come back keeps none of the others from ending.
func (b *board) unplugAll() error {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, d := range b.devices {
		_ = d.close(over) // all begin to end
	}
	ctx, cancel := context.WithTimeout(context.Background(), quietWait)
	defer cancel()
	var fails []error
	for _, d := range b.devices {
		if err := d.close(ctx); err != nil {
			fails = append(fails, err)
		}
	}
	return errors.Join(fails...)
}

// close ends a device that no access comes to any more. It can be called again when
// the context ended first.
func (d *plugged) close(ctx context.Context) error {
	d.stopForwards()
	if d.port != nil {
		d.port.Close()
	}
	return d.f.Close(ctx)
}
