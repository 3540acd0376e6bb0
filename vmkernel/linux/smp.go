package linux

import (
	"sync/atomic"
	"unsafe"

	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
	"basalt/arch/x86/paging"
	"basalt/boot/ap"
	"basalt/drivers/acpi"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/spin"
)

var (
	flushing spin.Mutex
	tables   acpi.Tables
	madt     acpi.MADT
)

func reloadCR3() { cpu.WriteCR3(cpu.ReadCR3()) }

// physical is physical memory as the ACPI parser reads it.
type physical struct{}

// View gives n bytes at pa through the direct map.
func (physical) View(pa uint64, n int) []byte {
	if n < 0 || pa+uint64(n) < pa || pa+uint64(n) > 1<<46 || !DirectPhysical(pa, uint64(n)) {
		return nil
	}
	// SAFETY: the direct map has these bytes now; nobody frees firmware tables.
	return unsafe.Slice((*byte)(at(pmem.Virt(pa))), n)
}

// Physical reads firmware tables anywhere in physical memory.
func Physical() acpi.Memory { return physical{} }

// loadMADT finds the processors. Without ACPI tables there is one.
func loadMADT() {
	rsdp := facts.RSDP
	if facts.RSDPLen > 0 {
		rsdp = pmemCopyRSDP()
	}
	if rsdp == 0 {
		var err error
		if rsdp, err = acpi.Scan(physical{}); err != nil {
			return
		}
	}
	if tables.Load(physical{}, rsdp) != nil {
		return
	}
	b, err := tables.Find(physical{}, "APIC")
	if err != nil || madt.Parse(b) != nil {
		madt.NCPUs = 0
	}
}

// pmemCopyRSDP puts the loader's copy of the RSDP where the parser can view it.
func pmemCopyRSDP() uint64 {
	pa, ok := pmem.AllocFrame()
	if !ok {
		return 0
	}
	copy(pmem.Bytes(pa, pageSize), facts.RSDPCopy[:facts.RSDPLen])
	return pa
}

// ACPI gives the list of firmware tables; N is 0 when there are none.
func ACPI() *acpi.Tables { return &tables }

// MADT gives the interrupt controllers as the firmware describes them.
func MADT() *acpi.MADT { return &madt }

// startOthers starts the other processors one after the other (SDM Vol. 3A, 9.4.4
// "MP Initialization Example").
func startOthers() {
	sched.cpus[0] = bootCPU.self
	sched.ncpu = 1
	if madt.NCPUs < 2 {
		return
	}
	code := pmem.Bytes(ap.Page, pageSize)
	if !mm.tables.Map(frames{}, ap.Page, ap.Page, pageSize, paging.A) {
		return
	}
	entry := apAddress()
	for i := 0; i < madt.NCPUs && sched.ncpu < maxCPUs; i++ {
		p := &madt.CPUs[i]
		if !p.Enabled || p.APICID == bootCPU.apicID || !apic.X2 && p.APICID > 254 {
			continue
		}
		c := newCPU(sched.ncpu, p.APICID)
		if c == nil {
			break
		}
		initCPUThreads(c)
		ap.Write(code, ap.Start{CR3: mm.tables.Root, CPU: uint64(c.self), Stack: uint64(c.kstack), Entry: uint64(entry)})
		if startOne(c) {
			syncTSC(c)
			sched.cpus[c.id] = c.self
			sched.ncpu++
			sched.idleSet |= 1 << c.id
		} else {
			ttyString("boot: a processor does not start\n")
		}
	}
	mm.tables.Clear(frames{}, ap.Page)
	flushAll()
}

func startOne(c *cpuState) bool {
	apic.SendInit(c.apicID)
	delay(10_000_000)
	for try := 0; try < 2; try++ {
		apic.SendStartup(c.apicID, ap.Page>>12)
		// The manual's 200 microseconds are not enough under a busy hypervisor,
		// and a processor that comes late finds its start page gone.
		for i := 0; i < 10000; i++ {
			delay(200_000)
			if atomic.LoadUint32(&c.online) != 0 {
				return true
			}
			if try == 0 && i > 10 {
				break
			}
		}
	}
	return false
}

// delay spins for ns nanoseconds.
func delay(ns uint64) {
	end := cpu.RDTSC() + nsToTicks(ns)
	for cpu.RDTSC() < end {
		cpu.PAUSE()
	}
}

// apMain is the first Go of another processor.
func apMain() {
	c := this()
	initCPU(c)
	initAPIC(c)
	atomic.StoreUint32(&c.online, 1)
	answerTSC()
	c.useHandlerStack()
	enter()
}

func apAddress() (entry uintptr)

// PowerOff leaves QEMU or Bochs; on a machine it halts. The code goes to QEMU's
// isa-debug-exit device where there is one. World W1.
func PowerOff(code uint32) {
	ttyDrain()
	io.Out32(0x501, code)
	io.Out16(0x604, 0x2000)
	io.Out16(0xb004, 0x2000)
	halt()
}
