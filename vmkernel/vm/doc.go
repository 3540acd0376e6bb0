// Package vm is the virtual machine: its owner goroutine, its states, the
// motherboard (build.go has all the wiring) and the table of machines that
// management sees through vmkernel/host.
//
// World: W2, except localAPIC and the Fast methods of cpuIO, which the run loop calls
// (W1).
//
// # Threads
//
// Each machine has one owner goroutine from Create to Delete. Everything that
// changes its state is a message to it: actions of management, requests of
// devices (power off, reset), reports of virtual CPUs. Each virtual CPU has one
// goroutine, locked to its thread, tied to processors through Platform.Pin and bound to
// its part of the host's time through Platform.CPUs, from start to stop; it runs when
// told to and reports why it stopped. A panic in it, which is a bug of ours, ends in a
// crashed machine and a stack in the log, not in a dead host. Waits of the owner for its
// CPUs are bounded by stopWait: one that has to stop does not compete for a processor
// meanwhile (Entitlement.Hurry), however little its machine is entitled to.
//
// # States
//
//	off -> starting -> running <-> paused
//	running -> crashed (triple fault, an exit that cannot go on, a host error)
//	running -> off (S5)          running -> running (the reset register)
//	paused, running, crashed -> off by Stop; crashed -> starting by Start
//
// A crashed machine keeps its memory until Stop, Start or Delete, so that it can
// be looked at.
//
// # Memory of the host
//
// A machine that starts is promised its memory and, beside it, the most that its guest
// can make the host need (overhead.go): a guest that keeps every queue full with the
// longest requests takes megabytes of the host's heap, and a host that has promised all
// its memory to others would have none. Devices that come ask again.
//
// # Memory of the guest
//
//	0          .. 0x9fc00     RAM
//	0x9fc00    .. 0xa0000     reserved (EBDA)
//	0xa0000    .. 0xc0000     hole (VGA window)
//	0xe0000    .. 0x100000    reserved: ACPI tables; SMBIOS at 0xfe000, the generation
//	                          ID at 0xff000
//	0x100000   .. low end     RAM, at most up to 3 GiB
//	0xfec00000                I/O APIC
//	0xfed00000                HPET
//	0xfee00000                local APIC
//	4 GiB      ..             the rest of the RAM
//
// What is neither RAM nor a device reads as all ones.
//
// # Time
//
// The machine's clock and the guest's TSC stand still while it is paused.
//
// # Processors
//
// Up to maxCPUs; the APIC ID of CPU n is n, or n*Config.APICIDStep. Where some are over
// 254, board.boot hands all local APICs over in x2APIC mode, as firmware has to, those of
// CPUs that can come too, and INIT leaves them there; the tables and CPUID say what such a
// guest needs. All but the boot processor wait for a start-up
// IPI; a reset puts them back there. They may be more than the host's: then a spinning
// one is preempted by the host's scheduler, or gives way itself where the host's
// processor tells of PAUSE loops. What one of them does to the machine (reset, power
// off, triple fault) stops all: each is told, and the owner waits for all within
// stopWait.
//
// # Dirty pages
//
// dirty.go tells which pages of a running guest were written, and follow.go gives them to
// who copies its memory meanwhile. Where the processor notes writes in the nested table
// (vcpu.DirtyTable: Dirty bits of nested paging, dirty flags of EPT) all is mapped in pages
// of 4 KiB with clear bits, the guest never leaves for its writes, and a collection clears
// what it finds, with one shootdown for each region. A frame that comes meanwhile counts as
// written, whole.
//
// Elsewhere mappings lose the right
// to write, in one call for each region; large pages stay large. A write then exits
// once for each page and collection: the page is marked, mapped alone and writable
// (its large page is split), and the guest goes on. A collection takes marks first and
// rights second, and merges the pages again; mapping.mu joins a mark to its right, so
// that none is lost. The engines need nothing but NestedTable: a refused write is an
// exit for memory with Write set, guest page walks included. Each page that becomes
// writable costs a shootdown of the other processors, though only their stale
// refusals go away.
//
// # Balloon
//
// Every machine has a balloon on bus 0. A frame that is wholly in it, or that the guest
// reports as free, goes back to the host while the processors run: balloon.go takes it
// out of the nested table, with the shootdown that Unmap has, and gmem waits for
// accesses in progress. It stays in the budget: what was promised to a machine is not
// promised to another.
//
// # Large mappings
//
// Nested tables map frames of 2 MiB. A GiB of guest memory, aligned and without a hole, gets
// its frames next to each other where the host has an aligned GiB that is free (gmem/run.go):
// each still when it is first touched, so nothing is taken or cleared before it is needed.
// With the last of them mapRun puts one entry in the place of 512, where the processor has
// such; a part that is reclaimed or protected splits it, and it is joined again when it can
// be. Others may take frames of that GiB in the meantime: then its mappings stay as they are.
//
// # Identity
//
// SMBIOS says the machine's UUID: Config.UUID, or one that follows from its ID. A saved
// state carries it, a clone (RestoreOptions.NewGeneration) gets one of its own, which
// its guest sees after the next reset.
//
// # Serial ports
//
// COM1 is the console. What a guest writes to COM2 to COM4 is kept in rings of 16 KiB
// (host.VM.Serial); input goes the other way.
//
// # Console ports
//
// Config.Consoles are ports of one virtio console on bus 0 (console.go), behind each of
// which is what is behind COM2 to COM4 (host.VM.Port). A machine without them has no
// such device, so that its states are what they were. Output never waits: the ring
// forgets its oldest bytes. Input waits in host.Console until the guest has opened the
// port and gives it buffers. All of it happens in the queues' goroutines.
//
// # What can grow
//
// Where Config.MaxCPUs says that more can come, the board has all of them from the start
// (cpus.go); those that are not there yet hear no INIT, SIPI or NMI. CPUID tells of one
// package with as many cores as there can be, SMBIOS of those that are there.
//
// Where Config.MaxMemoryMiB says that more can come, addresses above all other memory are
// kept for it (memory.go): the 64-bit window of the root complex is behind them, and SRAT
// calls them hot pluggable. What is added is promised first, then gmem has it, then the
// guest is told; each piece is a memory device of package memhp. The pieces are in the
// layout of a saved state, which is how a restored board has them where they were. A
// reset puts them into the memory map; a start has no pieces.
//
// A guest that has 64 GiB or more at its start may have blocks of memory larger than 128
// MiB (Linux: up to 2 GiB, by where that memory ends) and refuse smaller pieces; the event
// log says so.
//
// # NUMA
//
// Config.NUMANodes divides processors and the memory of the start evenly (numa.go); SRAT
// and SLIT tell the guest. It is the guest's view alone: where the host has its frames
// and runs its threads does not follow it.
//
// # Saved state
//
// Save pauses the machine, takes the small sections (machine, devices in the order of
// save.go, local APICs, processors, each processor by its own thread) in the owner,
// and streams memory on the caller's goroutine; busy keeps everybody else out, Status
// answers. Whatever fails, the machine goes on as before. Restore builds a board that
// is in no table, loads the stream into it to the end, and only then makes the machine
// visible, paused: a failure leaves nothing. accept decides from the header alone,
// before any memory is promised, whether this host can carry such a machine; the CPUID
// of the board is compared before anything is read into it.
//
// The guest's TSC, the machine's clock, and with them PV clock, PM timer, PIT and RTC
// go on from where they stood: time that a machine was saved did not pass for it, as
// with a pause. A guest that wants the time of day asks the network.
//
// What the guest has asked for or given back by then is in the state even if the owner has
// not looked at it: a power-off, a slot without power. A device that is half out cannot be
// saved. Serial ports are paused like everything else that works by itself, and connected
// only when the machine is restored: a byte is in the state or at the console. Whether an
// adapter has a carrier is part of its state.
//
// A restored machine can be reset only if Restore was given boot images.
//
// The header's configuration says in which slots the devices are (layout.go): one
// that came while the machine ran is not where a start would put it, and one that was
// there before processors came has fewer queues than a start would give it. The board's
// version is in it too (hardware.go): how devices are added without breaking the
// states that are there.
//
// A copy beside its original cannot have the original's MAC addresses, and its guest's
// driver goes on with the one that it has read once. So Restore can leave the adapters
// unplugged; management lets the copy run, takes them out as any other and plugs new ones
// into other slots, and the guest sees what it would see if somebody had done so.
//
// # Surprises
//
//   - A processor without an XSETBV intercept (QEMU's AMD-V) changes XCR0 behind
//     our back: CPUID leaf 0xD is answered in ordinary Go, from the state that the
//     engine has read back. Linux checks the size and warns.
//
//   - Linux restores virtual wire mode before it powers off and sets read-only
//     bits of LVT entries in x2APIC mode: they must be ignored, not refused.
//
//   - The PIC's vector must be known before the guest can take it, but its
//     acknowledge cycle has side effects: hence Peek and Take.
//
//   - A direct boot has no firmware: the boot processor's local APIC has to be
//     put into virtual wire mode, or PIC interrupts reach nobody. A Multiboot kernel
//     may also count on the PIC and the PIT as a BIOS leaves them (realmode.flat of
//     kvm-unit-tests waits for a tick); others get them reset.
//
//   - Debian's cloud kernel makes about 37,000 port exits from power-on to
//     power-off, nearly all for its serial console; 660 CPUID, 460 WRMSR, 980
//     first touches and EPT/NPT misses.
//
//   - Two IPIs are one kick each and no lock: the sender's run loop sets the bit in the
//     target's APIC and interrupts its host processor, whose run loop injects it.
//
//   - TSC and paravirtual clock: one offset and one epoch (machineTime) for all CPUs.
//     Each on its own would differ by what passes between two reads, and guests see
//     time go back. What the guest hears as stolen is Entitlement.Stolen: ready or
//     co-stopped, a limit included.
//
// # Buttons and devices
//
// The power button and NMI are actions of a running machine: the first sets
// PWRBTN_STS of the ACPI registers, and with it the SCI, the second raises LINT1 of
// every local APIC. Disks and network adapters are functions behind the root complex,
// each in a slot of its own (pci.go); management opens what stands behind a disk, the
// host has the switches. They come and go while the machine runs (devices.go).
//
// Not supported yet: taking a CPU or memory away; copying memory into a saved
// state while the guest runs.
package vm
