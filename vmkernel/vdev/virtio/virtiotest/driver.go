package virtiotest

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// Function is the device under test; a device type embeds virtio.Device.
type Function interface {
	Connect(virtio.Interrupts)
	PCI() virtio.PCI
	ReadBAR(bar int, off uint64, data []byte) vbus.Access
	WriteBAR(bar int, off uint64, data []byte) vbus.Access
}

// limit is when a test gives up on an event that must come.
const limit = 30 * time.Second

// Driver is a guest's driver.
type Driver struct {
	T     testing.TB
	Dev   Function
	Slot  *Slot
	Mem   *gmem.Memory
	Rings []vringtest.Ring

	// Offsets in RegistersBAR.
	Common, Notify, ISR, Config uint64
	multiplier                  uint64
	doorbell                    [2]byte
}

// Connect plugs the device into a slot and finds its structures.
func Connect(t testing.TB, dev Function, m *gmem.Memory) *Driver {
	t.Helper()
	d := &Driver{T: t, Dev: dev, Slot: NewSlot(), Mem: m}
	dev.Connect(d.Slot)
	for _, c := range dev.PCI().Capabilities {
		if c.ID != pcispec.CapVendor {
			continue
		}
		b := append([]byte{c.ID, 0}, c.Body...)
		off := uint64(binary.LittleEndian.Uint32(b[spec.CapOffset:]))
		switch b[spec.CapType] {
		case spec.CapCommonCfg:
			d.Common = off
		case spec.CapNotifyCfg:
			d.Notify = off
			d.multiplier = uint64(binary.LittleEndian.Uint32(b[spec.CapNotifyMultiplier:]))
		case spec.CapISRCfg:
			d.ISR = off
		case spec.CapDeviceCfg:
			d.Config = off
		}
	}
	return d
}

// Read reads n bytes of a register of RegistersBAR.
func (d *Driver) Read(off uint64, n int) uint64 {
	d.T.Helper()
	var b [8]byte
	if a := d.Dev.ReadBAR(virtio.RegistersBAR, off, b[:n]); a != vbus.OK {
		d.T.Fatalf("read of %d bytes at %#x: outcome %d", n, off, a)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// Write writes n bytes of a register of RegistersBAR.
func (d *Driver) Write(off uint64, n int, v uint64) {
	d.T.Helper()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	if a := d.Dev.WriteBAR(virtio.RegistersBAR, off, b[:n]); a != vbus.OK {
		d.T.Fatalf("write of %d bytes at %#x: outcome %d", n, off, a)
	}
}

// Status reads device_status.
func (d *Driver) Status() uint8 { return uint8(d.Read(d.Common+spec.DeviceStatus, 1)) }

// SetStatus adds bits to device_status; 0 resets.
func (d *Driver) SetStatus(v uint8) {
	if v != 0 {
		v |= d.Status()
	}
	d.Write(d.Common+spec.DeviceStatus, 1, uint64(v))
}

// Reset resets the device and waits until that is done (4.1.4.3.2).
func (d *Driver) Reset() {
	d.T.Helper()
	d.SetStatus(0)
	for late := time.Now().Add(limit); d.Status() != 0; runtime.Gosched() {
		if time.Now().After(late) {
			d.T.Fatalf("the reset is not done; status %#x", d.Status())
		}
	}
}

// Offered are the features that the device offers.
func (d *Driver) Offered() (f uint64) {
	for i := range uint64(2) {
		d.Write(d.Common+spec.DeviceFeatureSelect, 4, i)
		f |= d.Read(d.Common+spec.DeviceFeature, 4) << (32 * i)
	}
	return f
}

// Accept writes features and FEATURES_OK, and says whether that stuck.
func (d *Driver) Accept(features uint64) bool {
	for i := range uint64(2) {
		d.Write(d.Common+spec.DriverFeatureSelect, 4, i)
		d.Write(d.Common+spec.DriverFeature, 4, features>>(32*i)&0xffffffff)
	}
	d.SetStatus(spec.StatusFeaturesOK)
	return d.Status()&spec.StatusFeaturesOK != 0
}

// Negotiate resets the device and negotiates; VERSION_1 is added.
func (d *Driver) Negotiate(features uint64) {
	d.T.Helper()
	d.Reset()
	d.SetStatus(spec.StatusAcknowledge)
	d.SetStatus(spec.StatusDriver)
	if !d.Accept(features | 1<<spec.FVersion1) {
		d.T.Fatalf("features %#x of %#x were not accepted", features, d.Offered())
	}
	d.Rings = nil
}

// RingsAt is the guest-physical address of the first ring; each has 128 KiB.
const RingsAt = 0x10000

const ringRoom = 0x20000

// DataAt is free for the test from there on, if there are at most 7 queues.
const DataAt = 1 << 20

// AddQueue sets the next queue up with a size, 0 for what the device has, and with
// the vector of its number plus 1.
func (d *Driver) AddQueue(size uint16, features uint64) vringtest.Ring {
	d.T.Helper()
	i := len(d.Rings)
	r := d.Setup(i, size, features)
	d.Rings = append(d.Rings, r)
	return r
}

// Setup writes the registers of queue i and enables it.
func (d *Driver) Setup(i int, size uint16, features uint64) vringtest.Ring {
	d.T.Helper()
	d.Write(d.Common+spec.QueueSelect, 2, uint64(i))
	if most := uint16(d.Read(d.Common+spec.QueueSize, 2)); size == 0 || size > most {
		size = most
	}
	at := uint64(RingsAt + i*ringRoom)
	for b := uint64(0); b < ringRoom; b += 8 {
		d.Mem.PutUint64(at+b, 0)
	}
	r := vringtest.New(d.Mem, at, size, features)
	c := r.Config()
	d.Write(d.Common+spec.QueueSize, 2, uint64(size))
	d.Write(d.Common+spec.QueueMSIXVector, 2, uint64(i+1))
	for off, a := range map[uint64]uint64{spec.QueueDesc: c.Desc, spec.QueueDriver: c.Driver, spec.QueueDevice: c.Device} {
		d.Write(d.Common+off, 4, a&0xffffffff)
		d.Write(d.Common+off+4, 4, a>>32)
	}
	d.Write(d.Common+spec.QueueEnable, 2, 1)
	r.Arm()
	return r
}

// Init resets the device and brings it to DRIVER_OK with n queues of a size (0:
// the device's) and the vector 0 for configuration changes.
func (d *Driver) Init(features uint64, n int, size uint16) {
	d.T.Helper()
	d.Negotiate(features)
	d.Write(d.Common+spec.ConfigMSIXVector, 2, 0)
	for range n {
		d.AddQueue(size, features)
	}
	d.SetStatus(spec.StatusDriverOK)
	if s := d.Status(); s&spec.StatusNeedsReset != 0 {
		d.T.Fatalf("the device needs a reset: status %#x", s)
	}
}

// Ring rings the doorbell of queue i.
func (d *Driver) Ring(i int) {
	binary.LittleEndian.PutUint16(d.doorbell[:], uint16(i))
	if a := d.Dev.WriteBAR(virtio.RegistersBAR, d.Notify+d.multiplier*uint64(i), d.doorbell[:]); a != vbus.OK {
		d.T.Errorf("doorbell %d: outcome %d", i, a)
	}
}

// Kick rings the doorbell of queue i if the device wants that.
func (d *Driver) Kick(i int) {
	if d.Rings[i].Kick() {
		d.Ring(i)
	}
}

// Take waits for the next used chain of queue i.
func (d *Driver) Take(i int) (id uint16, written uint32) {
	d.T.Helper()
	d.Until("a used chain", func() (ok bool) {
		if id, written, ok = d.Rings[i].Used(); !ok {
			d.Rings[i].Arm()
			id, written, ok = d.Rings[i].Used()
		}
		return ok
	})
	return id, written
}

// Until waits until ok, which is asked again after each interrupt.
func (d *Driver) Until(what string, ok func() bool) {
	d.T.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	for !ok() {
		select {
		case <-d.Slot.activity:
		case <-late.C:
			d.T.Fatalf("%s did not come; status %#x", what, d.Status())
		}
	}
}

// UntilBroken waits until the device needs a reset and has said so.
func (d *Driver) UntilBroken() {
	d.T.Helper()
	d.Until("NEEDS_RESET", func() bool { return d.Status()&spec.StatusNeedsReset != 0 })
}
