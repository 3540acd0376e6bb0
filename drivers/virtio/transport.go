package virtio

import (
	"errors"
	"fmt"
	"time"

	"basalt/drivers/bus"
	"basalt/drivers/pci"
	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
)

// ErrGone: the device reads as all ones. ErrBroken: it broke the protocol or says
// that it needs a reset, and must not be used any longer.
var (
	ErrGone   = errors.New("virtio: device is gone")
	ErrBroken = errors.New("virtio: device is broken")
)

const (
	resetStep  = time.Millisecond
	resetSteps = 100
)

// Transport is one device's set of configuration structures.
type Transport struct {
	dev        bus.Device
	common     bus.Registers
	notify     bus.Registers
	isr        bus.Registers
	config     bus.Registers // nil if the type has none
	multiplier uint32
	features   uint64
}

// Open finds the structures and resets the device.
func Open(d bus.Device) (*Transport, error) {
	t := &Transport{dev: d}
	c := d.Config()
	if c.Read16(pcispec.VendorID) == 0xffff {
		return nil, ErrGone
	}
	for id, at := range pci.Capabilities(c) {
		if id != pcispec.CapVendor || at+spec.PCICapLength > pcispec.ConfigSize {
			continue
		}
		var to *bus.Registers
		var least uintptr
		switch c.Read8(at + spec.CapType) {
		case spec.CapCommonCfg:
			to, least = &t.common, spec.CommonCfgSize
		case spec.CapNotifyCfg:
			to, least = &t.notify, 2
			if at+spec.PCICapNotifySize > pcispec.ConfigSize {
				continue
			}
		case spec.CapISRCfg:
			to, least = &t.isr, 1
		case spec.CapDeviceCfg:
			to, least = &t.config, 1
		default:
			continue
		}
		if *to != nil {
			continue // the first one usable is preferred by the device
		}
		w, err := structure(d, c, at, least)
		if err != nil {
			continue // "the driver SHOULD use the first instance that it can"
		}
		*to = w
		if to == &t.notify {
			t.multiplier = c.Read32(at + spec.CapNotifyMultiplier)
		}
	}
	if t.common == nil || t.notify == nil || t.isr == nil {
		return nil, fmt.Errorf("virtio: %s has no modern configuration structures", d.Name())
	}
	if err := t.Reset(); err != nil {
		return nil, err
	}
	return t, nil
}

// structure maps what one capability points to.
func structure(d bus.Device, c bus.Registers, at, least uintptr) (bus.Registers, error) {
	i := c.Read8(at + spec.CapBAR)
	off, size := uintptr(c.Read32(at+spec.CapOffset)), uintptr(c.Read32(at+spec.CapSize))
	if i > 5 {
		return nil, fmt.Errorf("virtio: structure in BAR %d", i)
	}
	r, err := d.BAR(int(i))
	if err != nil {
		return nil, err
	}
	if size < least || off%4 != 0 || off > r.Size() || size > r.Size()-off {
		return nil, fmt.Errorf("virtio: structure %#x+%#x is outside its BAR", off, size)
	}
	return bus.Window(r, off, size), nil
}

// Reset writes zero to the status and waits until the device has taken it.
func (t *Transport) Reset() error {
	t.common.Write8(spec.DeviceStatus, 0)
	for range resetSteps {
		switch t.common.Read8(spec.DeviceStatus) {
		case 0:
			return nil
		case 0xff:
			return ErrGone
		}
		time.Sleep(resetStep)
	}
	return fmt.Errorf("%w: it does not finish a reset", ErrBroken)
}

// Negotiate offers what both sides have of want (bit numbers); version 1 is
// required. Section 3.1.1, steps 2 to 6.
func (t *Transport) Negotiate(want ...uint) error {
	t.setStatus(spec.StatusAcknowledge)
	t.setStatus(spec.StatusDriver)
	var offered, mine uint64
	for i := range uint32(2) {
		t.common.Write32(spec.DeviceFeatureSelect, i)
		offered |= uint64(t.common.Read32(spec.DeviceFeature)) << (32 * i)
	}
	if offered>>spec.FVersion1&1 == 0 {
		t.Fail()
		return fmt.Errorf("virtio: %s does not offer version 1", t.dev.Name())
	}
	for _, b := range append(want, spec.FVersion1, spec.FAccessPlatform) {
		mine |= offered & (1 << b)
	}
	for i := range uint32(2) {
		t.common.Write32(spec.DriverFeatureSelect, i)
		t.common.Write32(spec.DriverFeature, uint32(mine>>(32*i)))
	}
	t.setStatus(spec.StatusFeaturesOK)
	if s := t.common.Read8(spec.DeviceStatus); s == 0xff {
		return ErrGone
	} else if s&spec.StatusFeaturesOK == 0 {
		t.Fail()
		return fmt.Errorf("virtio: %s refuses features %#x of %#x", t.dev.Name(), mine, offered)
	}
	t.features = mine
	return nil
}

// Has says whether a feature bit was negotiated.
func (t *Transport) Has(bit uint) bool { return t.features>>bit&1 != 0 }

// Ready ends the set-up: the device may use its queues.
func (t *Transport) Ready() error {
	t.setStatus(spec.StatusDriverOK)
	_, err := t.Status()
	return err
}

// Fail tells the device that the driver gave up.
func (t *Transport) Fail() { t.setStatus(spec.StatusFailed) }

func (t *Transport) setStatus(bit uint8) {
	t.common.Write8(spec.DeviceStatus, t.common.Read8(spec.DeviceStatus)|bit)
}

// Status reads the device status; all ones, "needs reset" and a device that forgot
// its driver are errors.
func (t *Transport) Status() (uint8, error) {
	switch s := t.common.Read8(spec.DeviceStatus); {
	case s == 0xff:
		return s, ErrGone
	case s&spec.StatusNeedsReset != 0:
		return s, fmt.Errorf("%w: it asks for a reset", ErrBroken)
	case s&spec.StatusDriverOK == 0:
		return s, fmt.Errorf("%w: it forgot its driver", ErrBroken)
	default:
		return s, nil
	}
}

// ISR reads and clears the interrupt status; used without MSI-X.
func (t *Transport) ISR() uint8 { return t.isr.Read8(0) }

// Config is the type's own configuration; nil if there is none.
func (t *Transport) Config() bus.Registers { return t.config }

// Stable calls read, which looks at several configuration fields, until the
// configuration did not change meanwhile (section 2.5.1), at most a few times.
func (t *Transport) Stable(read func()) {
	for range 8 {
		before := t.common.Read8(spec.ConfigGeneration)
		read()
		if t.common.Read8(spec.ConfigGeneration) == before {
			return
		}
	}
}

// UsesMSIX says whether the function's MSI-X is on: then vectors have to be
// assigned, and the ISR is not used.
func (t *Transport) UsesMSIX() bool {
	at, ok := pci.Capability(t.dev.Config(), pcispec.CapMSIX, pcispec.MSIXLength)
	if !ok {
		return false
	}
	c := t.dev.Config().Read16(at + pcispec.MSIXControl)
	return c&pcispec.MSIXEnable != 0
}

// ConfigVector assigns the MSI-X vector for configuration changes.
func (t *Transport) ConfigVector(v uint16) error {
	t.common.Write16(spec.ConfigMSIXVector, v)
	if t.common.Read16(spec.ConfigMSIXVector) != v {
		return fmt.Errorf("virtio: %s does not take vector %d", t.dev.Name(), v)
	}
	return nil
}
