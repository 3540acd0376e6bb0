package virtiotest

import (
	"encoding/binary"
	"fmt"
	"sync"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
)

// Layout of BAR 4.
const (
	commonAt = 0x0000
	isrAt    = 0x1000
	configAt = 0x2000
	notifyAt = 0x3000
	barSize  = 0x4000
	// NotifyMultiplier spaces the queues' notification addresses.
	NotifyMultiplier = 4
)

type queue struct {
	max, size, vector uint16
	enabled           bool
	addr              [3]uint64 // desc, driver, device
	availIdx, usedIdx uint16
	kicked            bool
}

// Device is the transport and the rings.
type Device struct {
	Dev      *bustest.Device
	Features uint64 // offered
	// RefuseFeatures: FEATURES_OK does not stick. StuckReset: status never
	// becomes 0.
	RefuseFeatures, StuckReset bool

	mu           sync.Mutex
	moved        sync.Cond
	vectors      []*bustest.Interrupt
	config       []byte
	queues       []queue
	status       uint8
	isr          uint8
	generation   uint8
	configVector uint16
	sel          uint16
	devSel       uint32
	drvSel       uint32
	accepted     uint64
	gone         bool
	complaints   []string
}

// newDevice makes a device with n queues. vectors 0 means a wire.
func newDevice(id uint16, features uint64, config []byte, queues int, max uint16, vectors int) *Device {
	d := &Device{Features: features | 1<<spec.FVersion1, config: config, queues: make([]queue, queues)}
	d.moved.L = &d.mu
	for i := range d.queues {
		d.queues[i].max = max
	}
	cfg := bustest.RAM(256)
	d.Dev = &bustest.Device{
		Addr: "test:00:04.0", Vendor: spec.Vendor, DeviceID: id, ClassCode: 0x020000,
		ConfigRegs: cfg, Mem: new(bustest.Memory),
		BARs: map[int]bus.Registers{4: bustest.Registers(d, barSize)},
	}
	b := cfg.Bytes()
	b[pcispec.Status] = pcispec.StatusCapabilities
	at, link := 0x40, pcispec.CapabilitiesPtr
	put := func(c ...byte) {
		b[link] = byte(at)
		copy(b[at:], c)
		link, at = at+1, at+(len(c)+3)&^3
	}
	vendor := func(kind byte, off, size uint32, extra ...byte) {
		c := []byte{pcispec.CapVendor, 0, byte(16 + len(extra)), kind, 4, 0, 0, 0}
		c = binary.LittleEndian.AppendUint32(c, off)
		c = binary.LittleEndian.AppendUint32(c, size)
		put(append(c, extra...)...)
	}
	vendor(spec.CapCommonCfg, commonAt, spec.CommonCfgSize)
	vendor(spec.CapNotifyCfg, notifyAt, uint32(queues)*NotifyMultiplier, NotifyMultiplier, 0, 0, 0)
	vendor(spec.CapISRCfg, isrAt, 1)
	if len(config) > 0 {
		vendor(spec.CapDeviceCfg, configAt, uint32(len(config)))
	}
	if vectors > 0 {
		put(pcispec.CapMSIX, 0, byte(vectors-1), 0x80, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	for range max1(vectors) {
		d.vectors = append(d.vectors, bustest.NewInterrupt(vectors == 0))
	}
	d.Dev.Vectors = d.vectors
	d.reset()
	return d
}

func max1(n int) int { return max(n, 1) }

func (d *Device) reset() {
	for i := range d.queues {
		d.queues[i] = queue{max: d.queues[i].max, size: d.queues[i].max, vector: spec.NoVector}
	}
	d.status, d.isr, d.accepted, d.configVector = 0, 0, 0, spec.NoVector
	d.wire(false)
	d.moved.Broadcast()
}

// Gone pulls the device out.
func (d *Device) Gone() {
	d.mu.Lock()
	d.gone = true
	d.mu.Unlock()
	d.Dev.Removed()
	d.moved.Broadcast()
}

// NeedReset is the device saying that it failed.
func (d *Device) NeedReset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status |= spec.StatusNeedsReset
	d.configChanged()
}

// Complaints is what the driver did against the specification.
func (d *Device) Complaints() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.complaints
	if n := d.Dev.Mem.Faults(); n > 0 {
		out = append(out, fmt.Sprintf("%d DMA accesses outside of memory", n))
	}
	return out
}

func (d *Device) complain(format string, args ...any) {
	d.complaints = append(d.complaints, fmt.Sprintf(format, args...))
}

func (d *Device) wire(high bool) {
	if len(d.vectors) > 0 && d.vectors[0].Wire {
		d.vectors[0].Set(high)
	}
}

// interrupt sends a message or raises the wire; mu is held.
func (d *Device) interrupt(vector uint16, bit uint8) {
	if d.gone {
		return
	}
	if d.vectors[0].Wire {
		d.isr |= bit
		d.wire(true)
		return
	}
	if int(vector) < len(d.vectors) {
		d.vectors[vector].Raise()
	}
}

func (d *Device) configChanged() {
	d.generation++
	d.interrupt(d.configVector, spec.ISRConfig)
}

// Load implements bustest.Handler.
func (d *Device) Load(off uintptr, width int) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return ^uint64(0)
	}
	switch {
	case off == isrAt:
		v := d.isr
		d.isr = 0
		d.wire(false)
		return uint64(v)
	case off >= configAt && off < notifyAt:
		var v uint64
		for i := range width {
			if at := int(off) - configAt + i; at < len(d.config) {
				v |= uint64(d.config[at]) << (8 * i)
			}
		}
		return v
	case off >= notifyAt:
		return 0
	}
	return d.loadCommon(off, width)
}

func (d *Device) loadCommon(off uintptr, width int) uint64 {
	if off == spec.DeviceFeature || off == spec.DriverFeature {
		if d.devSel > 1 {
			return 0
		}
		return d.Features >> (32 * d.devSel) & 0xffffffff
	}
	q := &queue{}
	if int(d.sel) < len(d.queues) {
		q = &d.queues[d.sel]
	}
	switch off {
	case spec.NumQueues:
		return uint64(len(d.queues))
	case spec.DeviceStatus:
		return uint64(d.status)
	case spec.ConfigGeneration:
		return uint64(d.generation)
	case spec.ConfigMSIXVector:
		return uint64(d.configVector)
	case spec.QueueSelect:
		return uint64(d.sel)
	case spec.QueueSize:
		return uint64(q.size)
	case spec.QueueMSIXVector:
		return uint64(q.vector)
	case spec.QueueEnable:
		if q.enabled {
			return 1
		}
		return 0
	case spec.QueueNotifyOff:
		return uint64(d.sel)
	}
	d.complain("%d-byte read at %#x", width, off)
	return 0
}

// Store implements bustest.Handler.
func (d *Device) Store(off uintptr, width int, v uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return
	}
	if off >= notifyAt {
		i := int(off-notifyAt) / NotifyMultiplier
		if width != 2 || i >= len(d.queues) || uint64(i) != v {
			d.complain("notification %d of %d bytes at %#x", v, width, off)
			return
		}
		d.queues[i].kicked = true
		d.moved.Broadcast()
		return
	}
	if off >= isrAt {
		d.complain("%d-byte write at %#x", width, off)
		return
	}
	d.storeCommon(off, width, v)
}

func (d *Device) storeCommon(off uintptr, width int, v uint64) {
	q := &queue{}
	if int(d.sel) < len(d.queues) {
		q = &d.queues[d.sel]
	}
	vector := func() uint16 {
		if int(v) >= len(d.vectors) || d.vectors[0].Wire {
			return spec.NoVector
		}
		return uint16(v)
	}
	switch off {
	case spec.DeviceFeatureSelect:
		d.devSel = uint32(v)
	case spec.DriverFeatureSelect:
		d.drvSel = uint32(v)
	case spec.DriverFeature:
		if d.drvSel < 2 {
			d.accepted = d.accepted&^(0xffffffff<<(32*d.drvSel)) | v<<(32*d.drvSel)
		}
	case spec.DeviceStatus:
		d.setStatus(uint8(v))
	case spec.ConfigMSIXVector:
		d.configVector = vector()
	case spec.QueueSelect:
		d.sel = uint16(v)
	case spec.QueueSize:
		q.size = uint16(v)
	case spec.QueueMSIXVector:
		q.vector = vector()
	case spec.QueueEnable:
		if d.status&spec.StatusFeaturesOK == 0 || v != 1 {
			d.complain("queue %d enabled with %d before features", d.sel, v)
		}
		q.enabled = true
	case spec.QueueDesc, spec.QueueDriver, spec.QueueDevice:
		a := &q.addr[(off-spec.QueueDesc)/8]
		*a = *a&^0xffffffff | v
		if align := [3]uint64{16, 2, 4}[(off-spec.QueueDesc)/8]; v%align != 0 {
			d.complain("queue part %d at %#x", (off-spec.QueueDesc)/8, v)
		}
	case spec.QueueDesc + 4, spec.QueueDriver + 4, spec.QueueDevice + 4:
		a := &q.addr[(off-spec.QueueDesc)/8]
		*a = *a&0xffffffff | v<<32
	default:
		d.complain("%d-byte write at %#x", width, off)
	}
}

func (d *Device) setStatus(v uint8) {
	switch {
	case v == 0:
		if !d.StuckReset {
			d.reset()
		}
		return
	case d.status&^v&^spec.StatusNeedsReset != 0:
		d.complain("status bits %#x taken back", d.status&^v)
	case v&spec.StatusFeaturesOK != 0 && d.status&spec.StatusFeaturesOK == 0:
		if d.accepted&^d.Features != 0 || d.accepted>>spec.FVersion1&1 == 0 {
			d.complain("features %#x of %#x", d.accepted, d.Features)
		}
		if d.RefuseFeatures {
			v &^= spec.StatusFeaturesOK
		}
	case v&spec.StatusDriverOK != 0 && v&spec.StatusFeaturesOK == 0 && v&spec.StatusFailed == 0:
		d.complain("DRIVER_OK before FEATURES_OK")
	}
	d.status = v
	d.moved.Broadcast()
}
