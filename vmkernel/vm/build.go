package vm

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/emul"
	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/acpitables"
	"basalt/vmkernel/vdev/cpuhp"
	"basalt/vmkernel/vdev/debugport"
	"basalt/vmkernel/vdev/hpet"
	"basalt/vmkernel/vdev/ioapic"
	"basalt/vmkernel/vdev/kbd"
	"basalt/vmkernel/vdev/lapic"
	"basalt/vmkernel/vdev/memhp"
	"basalt/vmkernel/vdev/pcie"
	"basalt/vmkernel/vdev/pic"
	"basalt/vmkernel/vdev/pit"
	"basalt/vmkernel/vdev/pmtimer"
	"basalt/vmkernel/vdev/postcode"
	"basalt/vmkernel/vdev/rtc"
	"basalt/vmkernel/vdev/smbios"
	"basalt/vmkernel/vdev/testdev"
	"basalt/vmkernel/vdev/uart"
	"basalt/vmkernel/vdev/virtio/balloon"
	"basalt/vmkernel/vdev/virtio/console"
	"basalt/vmkernel/vm/loader"
	"basalt/vmkernel/vtime"
)

const (
	lowLimit  = 3 << 30 // RAM below 4 GiB ends here at the latest
	fourGiB   = 1 << 32
	vgaStart  = 0xa0000
	vgaSize   = 0x20000
	ebdaStart = 0x9fc00
	romStart  = 0xe0000
	romEnd    = 0x100000
	// generationAt is the page of the generation ID, in the area for firmware.
	generationAt = 0xff000
	busKHz       = 1_000_000 // of the local APIC's timer
	// minPeriodUS is the shortest period of the local APIC's timer.
	minPeriodUS = 50
	// maxCPUs is what the cpu policy and the APIC IDs are tested for.
	maxCPUs = 64
	minMiB  = 4
	// maxMiB is more than a host has: no size in bytes overflows.
	maxMiB = 1 << 30
)

// board is one powered machine: memory, buses, devices and processors.
type board struct {
	mem   *gmem.Memory
	space space // of it
	table vcpu.NestedTable
	maps  mapping
	clock *vtime.Clock
	time  *machineTime
	bus   *vbus.Bus
	pic   *pic.PIC
	pit   *pit.PIT
	apics *lapic.Set
	cpus  []*vcpu.VCPU
	ports []*localAPIC
	uarts []*uart.UART
	post  postcode.PostCode
	pm    *acpipm.PM

	generation [16]byte // what the guest sees of the machine's past
	says       smbios.Config
	numNodes   int          // of NUMA; 0 is one
	idShift    uint8        // the APIC ID of processor n is n<<idShift
	wideIDs    bool         // some ID has more than 8 bits
	numCPUs    int          // that are present; cpus are all that can be
	hotplug    *cpuhp.Block // nil: none can come
	memhp      *memhp.Block // nil: no memory can come
	pci        *pcie.Root
	windows    pcie.Windows
	slots      int
	emptied    []int      // slots whose card went
	listMu     sync.Mutex // for devices: the owner writes with it, others read with it
	devices    []*plugged // in the order of their places
	balloon    *balloon.Device
	console    *console.Device // nil: it has none
	consoles   []string        // names of its ports
	held       bool            // its devices are paused for a saved state
	over       chan struct{}
	overhead   overhead // without the devices of the configuration
}

// request is what a device asks of the machine's owner.
type request uint8

const (
	reqNone request = iota
	reqPowerOff
	reqReset
)

// kicker is a local APIC's way to its processor, which is made after it.
type kicker struct{ cpu *vcpu.VCPU }

func (k *kicker) Kick() {
	if k.cpu != nil {
		k.cpu.Kick()
	}
}

// build makes a machine that is ready for a loader. Every wire is here, but for input
// from what is behind its ports (consoles.connect), which the caller connects when
// nothing overwrites any more what comes in.
// disks stand behind those of the configuration; at says where its devices are.
// unplugged leaves the adapters without a network; share is nil without a CPUScheduler.
func build(p *Platform, c host.Config, share Entitlement, at *layout, unplugged bool, disks []host.Disk, behind *consoles, ask func(request)) (b *board, err error) {
	b = &board{numCPUs: c.CPUs, numNodes: c.NUMANodes, idShift: c.APICIDShift(), wideIDs: c.LastAPICID() > host.MaxXAPICID, over: make(chan struct{})}
	defer func() {
		if err != nil {
			_ = b.close()
			b = nil
		}
	}()

	// Memory and the nested table.
	if err = b.overhead.grow(p, overheadOf(c)); err != nil {
		return b, err
	}
	b.space = spaceOf(c, at.Memory)
	if b.mem, err = gmem.New(gmem.Config{Frames: p.Frames, Budget: p.Budget, Regions: b.space.regions(),
		Holes: []gmem.Range{{Start: vgaStart, Size: vgaSize}}}); err != nil {
		return b, err
	}
	if b.table, err = p.Factory.NewTable(); err != nil {
		return b, fmt.Errorf("vm: nested table: %w", err)
	}

	b.identity(c)

	// Interrupt controllers.
	b.clock = vtime.New(0)
	b.time = &machineTime{p: p, c: b.clock, id: c.ID, share: share}
	b.bus = vbus.New()
	kicks := make([]*kicker, c.AllCPUs())
	conf := make([]lapic.Config, c.AllCPUs())
	for i := range conf {
		kicks[i] = &kicker{}
		conf[i] = lapic.Config{Kicker: kicks[i], TSCHz: p.TSCKHz * 1000, TimerHz: busKHz * 1000, X2APIC: !c.XAPICOnly,
			MinPeriod: p.TSCKHz * minPeriodUS / 1000}
	}
	b.apics = lapic.NewSpread(c.APICIDShift(), conf...)
	b.pic = pic.New(b.apics.At(0).LINT0)
	io := ioapic.New(b.apics)
	b.apics.ConnectEOI(io)
	// An ISA interrupt goes to both controllers; the timer to pin 2 of the I/O
	// APIC, as the MADT's override says.
	isa := func(n int) vbus.Line {
		pin := n
		if n == 0 {
			pin = 2
		}
		return vbus.Fan{b.pic.Line(n), io.Line(pin)}
	}

	// Devices.
	events := hpet.New(hpet.Config{Clock: b.clock, Legacy: [2]vbus.Line{isa(0), isa(8)}, Pin: isa})
	b.pit = pit.New(b.clock, events.Input(hpet.LinePIT))
	cmos := rtc.New(b.clock, events.Input(hpet.LineRTC), rtc.Config{Wall: time.Now().UnixNano(), MemBelow4: b.space.low, MemAbove4: b.space.high, CPUs: c.CPUs})
	pw := power{ask}
	b.pm = acpipm.New(b.clock, isa(acpipm.SCI), pw)
	keyboard := kbd.New(pw.Reset)
	debug := debugport.New(&debugLog{log: func(s string) { p.log("vm %s: debug: %s", c.ID, s) }})

	w := wiring{bus: b.bus}
	w.ports(b.pic, pic.MasterCommand, 2)
	w.ports(b.pic, pic.SlaveCommand, 2)
	w.ports(b.pic, pic.MasterELCR, 2)
	w.ports(b.pit, pit.Counter0, 4)
	w.ports(b.pit, pit.PortB, 1)
	w.ports(cmos, rtc.IndexPort, 4)
	b.addSerials(&w, isa, behind)
	w.ports(&b.post, postcode.Port, 1)
	w.ports(debug, debugport.Bochs, 1)
	w.ports(debug, debugport.Firmware, 1)
	w.plug(b.pm.Plug(b.bus, pmtimer.New(b.clock, true)))
	w.plug(keyboard.Plug(b.bus))
	b.addHotplug(&w, c)
	b.addMemoryDevices(&w, p, c)
	w.mmio(io, ioapic.DefaultBase, ioapic.Size)
	w.mmio(events, acpitables.HPETBase, acpitables.HPETSize)
	if c.TestDevice {
		w.plug(testdev.New(func(n int) vbus.Line {
			if n < 16 {
				return isa(n)
			}
			return io.Line(n)
		}).Plug(b.bus))
	}
	if w.err != nil {
		return b, fmt.Errorf("vm: wiring: %w", w.err)
	}
	id, err := cpuid(p, c)
	if err != nil {
		return b, err
	}
	if err = b.space.fits(id.Features().PhysBits); err != nil {
		return b, err
	}
	if err = b.buses(at.Slots, io, id.Features().PhysBits); err != nil {
		return b, fmt.Errorf("vm: %w", err)
	}
	if err = b.addEntropy(p); err != nil {
		return b, fmt.Errorf("vm: %w", err)
	}
	if err = b.addBalloon(p); err != nil {
		return b, fmt.Errorf("vm: %w", err)
	}
	if err = b.addVsock(p, c); err != nil {
		return b, fmt.Errorf("vm: %w", err)
	}
	if err = b.addConsole(p, c, behind); err != nil {
		return b, fmt.Errorf("vm: %w", err)
	}
	for i, d := range c.Disks {
		if err = b.addDisk(p, d, disks[i], at.of(d.Name)); err != nil {
			return b, fmt.Errorf("vm: %w", err)
		}
	}
	for _, n := range c.NICs {
		if err = b.addNIC(p, c.ID, n, at.of(n.Name), unplugged); err != nil {
			return b, fmt.Errorf("vm: %w", err)
		}
	}

	// Processors.
	for i := range c.AllCPUs() {
		a := &localAPIC{a: b.apics.At(i), phys: id.Features().PhysBits}
		a.present.Store(i < c.CPUs)
		if i == 0 {
			a.pic = b.pic
		}
		cio := &cpuIO{b: b, apic: a, maps: make([]gmem.Mapping, 0, 4)}
		cpu := vcpu.New(vcpu.Config{Index: i, CPUID: id, APIC: a, IO: cio, Fast: cio,
			Emul: emul.New(b.mem, cio, id.Features().PhysBits), Mem: b.mem,
			Time: b.time})
		a.cpu = cpu
		b.ports = append(b.ports, a)
		if err = cpu.Attach(p.Factory, b.table); err != nil {
			return b, err
		}
		b.cpus = append(b.cpus, cpu)
		kicks[i].cpu = cpu
	}
	return b, nil
}

// wiring plugs devices in and keeps the first error.
type wiring struct {
	bus *vbus.Bus
	err error
}

func (w *wiring) ports(d vbus.Device, base uint16, n int) {
	if w.err == nil {
		w.err = w.bus.AddPorts(d, base, n)
	}
}

func (w *wiring) plug(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *wiring) mmio(d vbus.Device, gpa, size uint64) {
	if w.err == nil {
		w.err = w.bus.AddMMIO(d, 0, gpa, size)
	}
}

// boot loads the images into clean memory and sets the processors up.
func (b *board) boot(bt loader.Boot) (loader.Format, error) {
	if err := b.pci.Configure(); err != nil {
		return "", fmt.Errorf("vm: %w", err)
	}
	env := loader.Env{Mem: b.mem, Top: b.space.low, Map: []loader.Area{
		{Start: 0, Size: ebdaStart, Type: 1},
		{Start: ebdaStart, Size: vgaStart - ebdaStart, Type: 2},
		{Start: romStart, Size: romEnd - romStart, Type: 2},
		{Start: romEnd, Size: b.space.low - romEnd, Type: 1},
		{Start: pcie.ECAMBase, Size: pcie.ECAMSize, Type: 2},
	}}
	for _, r := range ranges(b.mem.Regions())[1:] {
		env.Map = append(env.Map, loader.Area{Start: r.Start, Size: r.Size, Type: 1})
	}
	nodes, hot := b.affinity()
	image, rsdp, err := acpitables.Build(acpitables.Config{CPUs: b.numCPUs, MaxCPUs: b.maxPluggable(), IDShift: b.idShift, SerialPorts: len(b.uarts), HPET: true, PCIe: b.acpiPCI(),
		NUMA: nodes, HotMemory: hot, GenerationID: generationAt}, acpitables.DefaultBase)
	if err != nil {
		return "", fmt.Errorf("vm: ACPI tables: %w", err)
	}
	if len(image) > smbiosAt-acpitables.DefaultBase {
		return "", fmt.Errorf("vm: ACPI tables of %d bytes", len(image))
	}
	if err := b.mem.Write(acpitables.DefaultBase, image); err != nil {
		return "", fmt.Errorf("vm: ACPI tables: %w", err)
	}
	if err := b.mem.Write(generationAt, b.generation[:]); err != nil {
		return "", fmt.Errorf("vm: generation ID: %w", err)
	}
	if err := b.writeIdentity(); err != nil {
		return "", err
	}
	env.RSDP = rsdp
	f, start, err := loader.Load(env, bt)
	if err != nil {
		return f, err
	}
	zero := -b.time.TSC() // all counters begin at 0, in the same instant
	for i, c := range b.cpus {
		set := start
		if i > 0 {
			set = nil
		}
		if err := c.Reset(set); err != nil {
			return f, err
		}
		c.SetTSCOffset(zero)
		if b.wideIDs { // as firmware hands over such a machine (SDM Vol. 3A, 11.12.8.1)
			b.ports[i].enterX2APIC()
		}
		if i == 0 {
			b.apics.At(0).VirtualWire()
		}
	}
	if f == loader.Multiboot1 { // it may count on them; other kernels would stop the timer only
		b.pic.Firmware()
		b.pit.Firmware()
	}
	return f, nil
}

// reset is the reset line: devices and memory as after power-on. No processor
// runs. It fails, with nothing changed, when a device's requests do not come back.
func (b *board) reset() error {
	if err := b.quiesce(); err != nil {
		return err
	}
	defer b.awaken()
	b.bus.Reset()
	if err := b.settled(); err != nil {
		return err
	}
	b.mem.Clear()
	return nil
}

// close takes the machine apart. No processor runs.
func (b *board) close() error {
	close(b.over)
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	if b.clock != nil {
		b.clock.Close()
	}
	for _, c := range b.cpus {
		keep(c.Close())
	}
	if b.table != nil {
		keep(b.table.Close())
	}
	keep(b.unplugAll())
	if b.mem != nil {
		keep(b.mem.Close())
	}
	if first == nil {
		b.release()
	}
	return first
}

// release ends what was promised of the host's memory.
func (b *board) release() {
	for _, d := range b.devices {
		d.overhead.release()
	}
	b.overhead.release()
}

// finish gives the memory back if close could not, because of requests in flight.
func (b *board) finish() error {
	err := b.mem.Close()
	if err != nil { // those who wait for the requests have not looked yet
		err = errors.Join(b.unplugAll(), b.mem.Close())
	}
	if err == nil {
		b.release()
	}
	return err
}

// machineTime is the clocks of one machine.
type machineTime struct {
	p     *Platform
	c     *vtime.Clock
	id    string
	share Entitlement // nil without a CPUScheduler

	mu    sync.Mutex
	epoch uint64 // TSC when the clock stood at since
	since int64
}

// begin notes a new epoch. The clock has begun to run and no processor runs.
func (t *machineTime) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	best := ^uint64(0)
	for range 8 { // a reading that was interrupted is wide
		before := t.p.TSC()
		now := t.c.Now()
		if wide := t.p.TSC() - before; wide < best {
			best, t.epoch, t.since = wide, before+wide/2, now
		}
	}
}

// Epoch implements vcpu.Time.
func (t *machineTime) Epoch() (tsc uint64, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.epoch, t.since
}

func (t *machineTime) TSC() uint64 { return t.p.TSC() }
func (t *machineTime) KHz() uint64 { return t.p.TSCKHz }
func (t *machineTime) Now() int64  { return t.c.Now() }
func (t *machineTime) Wall() int64 { return time.Now().UnixNano() }
func (t *machineTime) Stolen(i int) uint64 {
	switch {
	case t.share != nil:
		return t.share.Stolen(i)
	case t.p.Stolen == nil:
		return 0
	}
	return t.p.Stolen(t.id, i)
}
