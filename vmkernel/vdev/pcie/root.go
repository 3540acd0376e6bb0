package pcie

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

// The places of bus 0, see doc.go.
const (
	firstFixed = 1
	firstPort  = 16
	lastPort   = 30
	isaDevice  = 31

	// MaxFixed is how many integrated endpoints a machine can have.
	MaxFixed = firstPort - firstFixed
	// MaxSlots is how many root ports, each with a slot, a machine can have.
	MaxSlots = (lastPort - firstPort + 1) * spec.FunctionsPerDevice
)

// The errors of plugging.
var (
	ErrLimit        = errors.New("limit of devices reached")
	ErrPlugged      = errors.New("device is plugged in already")
	ErrNotPlugged   = errors.New("device is not plugged in")
	ErrFixed        = errors.New("device is not in a slot")
	ErrNotListening = errors.New("the guest does not handle hot-plug")
)

// Address names a function.
type Address struct{ Bus, Device, Func uint8 }

// String is the usual form, such as "00:03.0".
func (a Address) String() string { return fmt.Sprintf("%02x:%02x.%x", a.Bus, a.Device, a.Func) }

func (a Address) devfn() uint8 { return a.Device<<3 | a.Func }

// SlotAddress is where the root port of slot n (from 0) is.
func SlotAddress(n int) Address { return slotAddress(n) }

func slotAddress(n int) Address {
	return Address{Device: uint8(firstPort + n/spec.FunctionsPerDevice), Func: uint8(n % spec.FunctionsPerDevice)}
}

// RootConfig is the board around the root complex.
type RootConfig struct {
	Bus     *vbus.Bus
	Sink    vbus.MSISink            // takes the messages
	Line    func(gsi int) vbus.Line // pins 16 to 23 of the I/O APIC; nil: none
	Slots   int                     // root ports, 0 to MaxSlots
	Windows Windows                 // from Layout
}

// target is whatever answers in configuration space.
type target interface {
	read(off int, data []byte)
	write(off int, data []byte) (reset Function)
	hook(off, n int) (c *Capability, in, count int)
}

// fixed is a function without anything behind its registers.
type fixed struct{ regs space }

func (f *fixed) read(off int, data []byte)               { f.regs.read(off, data) }
func (f *fixed) hook(int, int) (*Capability, int, int)   { return nil, 0, 0 }
func (f *fixed) write(off int, data []byte) (_ Function) { f.regs.write(off, data); return nil }

// Root is the root complex. Safe for any goroutine.
type Root struct {
	cfg   RootConfig
	lines lines
	ports []*port

	address atomic.Uint32 // CONFIG_ADDRESS

	mu      sync.Mutex
	bus0    [256]target
	behind  [256]*port // by secondary bus number
	onBus0  []*Endpoint
	bridges [2]*fixed
}

var (
	_ vbus.Device     = (*Root)(nil)
	_ vbus.MMIO       = (*Root)(nil)
	_ vbus.FastPortIO = (*Root)(nil)
	_ vbus.Stateful   = (*Root)(nil)
)

// New makes a root complex and claims its ports and its ECAM window.
func New(c RootConfig) (*Root, error) {
	if c.Slots < 0 || c.Slots > MaxSlots {
		return nil, fmt.Errorf("pcie: %d hot-pluggable devices asked for, a machine has at most %d slots: %w", c.Slots, MaxSlots, ErrLimit)
	}
	if err := c.Windows.check(); err != nil {
		return nil, err
	}
	r := &Root{cfg: c}
	r.lines.connect(c.Line)
	host, isa := &fixed{}, &fixed{}
	host.regs.header(spec.IntelVendor, spec.IntelQ35HostBridge, 0, spec.ClassBridgeHost<<8, spec.HeaderNormal)
	host.regs.put32(spec.MCHPCIEXBAR, ECAMBase|spec.MCHPCIEXBAR256Buses|spec.MCHPCIEXBAREnable)
	isa.regs.header(spec.IntelVendor, spec.IntelICH9LPC, 2, spec.ClassBridgeISA<<8, spec.HeaderNormal)
	for _, f := range []*fixed{host, isa} {
		f.regs.put16(spec.Command, spec.CommandIO|spec.CommandMemory|spec.CommandBusMaster) // 5.1.3: hard-wired
		f.regs.seal()
	}
	r.bridges = [2]*fixed{host, isa}
	r.bus0[Address{}.devfn()] = host
	r.bus0[Address{Device: isaDevice}.devfn()] = isa
	for n := range c.Slots {
		p, err := newPort(r, n)
		if err != nil {
			return nil, err
		}
		if c.Slots > n/spec.FunctionsPerDevice*spec.FunctionsPerDevice+1 {
			p.regs.b[spec.HeaderType] |= spec.HeaderMultiFunction
			p.regs.start[spec.HeaderType] |= spec.HeaderMultiFunction
		}
		r.ports = append(r.ports, p)
		r.bus0[p.at.devfn()] = p
	}
	if err := c.Bus.AddPortsSized(r, spec.ConfigAddressPort, 4, vbus.Size4); err != nil {
		return nil, err
	}
	if err := c.Bus.AddPorts(r, spec.ConfigDataPort, 4); err != nil {
		return nil, err
	}
	return r, c.Bus.AddMMIO(r, 0, ECAMBase, ECAMSize)
}

// Name implements vbus.Device.
func (r *Root) Name() string { return "pcie" }

// Reset implements vbus.Device: bridges and ports; endpoints are devices of the
// bus themselves. Configure comes after it.
func (r *Root) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.address.Store(0)
	for _, b := range r.bridges {
		b.regs.reset()
	}
	for _, p := range r.ports {
		p.reset()
	}
	r.route()
}

// route finds the port behind each bus number; the lowest port wins. A root port
// passes only its secondary bus on: there are no switches.
func (r *Root) route() {
	clear(r.behind[:])
	for _, p := range r.ports {
		s := &p.regs
		if n := s.b[spec.SecondaryBus]; n != 0 && n <= s.b[spec.SubordinateBus] && r.behind[n] == nil {
			r.behind[n] = p
		}
	}
}

// retry tries the BARs again that another one kept out.
func (r *Root) retry(moved *Endpoint) {
	for e := range r.endpoints() {
		if e != moved && e.blocked {
			e.claim()
		}
	}
}

// endpoints are the plugged-in ones, in order of place.
func (r *Root) endpoints() func(func(*Endpoint) bool) {
	return func(yield func(*Endpoint) bool) {
		for _, e := range r.onBus0 {
			if !yield(e) {
				return
			}
		}
		for _, p := range r.ports {
			if p.card != nil && !yield(p.card) {
				return
			}
		}
	}
}
