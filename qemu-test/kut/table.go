package main

import "time"

// test is one row: an image of the suite with its arguments.
type test struct {
	name   string
	image  string // without .flat
	args   string
	cpus   int // 1
	memory int // MiB: 256
	level  string
	xapic  bool // without x2APIC mode
	// limit is how long it may take instead of what -limit says, where it takes longer.
	limit time.Duration
	// only and why: the engine on which alone it runs, and the reason.
	only, why string
	// build says what the image needs.
	build string
	// known are the failures that are not Basalt's.
	known []known
}

// known is a failure of a test that is not Basalt's: another one is a failure still.
type known struct {
	engine string
	// fails are the checks that fail, as the suite names them. With none, the test
	// comes to no end within its limit.
	fails []string
	// why names whose it is, and how that was seen.
	why string
}

// i386 is for images that are not made for x86_64: copy them beside the others.
const i386 = ": built by ./configure --arch=i386"

// tests are those of the suite's x86/unittests.cfg that concern what Basalt gives a
// guest, with its names, arguments and numbers of processors.
var tests = []test{
	{name: "cmpxchg8b", image: "cmpxchg8b", build: i386},
	{name: "smptest", image: "smptest", cpus: 2},
	{name: "smptest3", image: "smptest", cpus: 3},
	{name: "setjmp", image: "setjmp"},
	{name: "syscall", image: "syscall"},
	{name: "tsc", image: "tsc"},
	{name: "tsc_adjust", image: "tsc_adjust"},
	{name: "rmap_chain", image: "rmap_chain", limit: 15 * time.Minute},
	{name: "taskswitch", image: "taskswitch", build: i386},
	{name: "umip", image: "umip"},
	{name: "rdpru", image: "rdpru"},
	{name: "smap", image: "smap"},
	{name: "memory", image: "memory"},
	{name: "realmode", image: "realmode"},
	{name: "ioapic", image: "ioapic", cpus: 4, limit: 10 * time.Minute},
	{name: "idt_test", image: "idt_test", known: []known{{"amd-v", []string{"Testing #UD rflags.rf"},
		"QEMU 7.2 pushes the flags of a fault without RF: the same check fails directly on it"}}},
	{name: "pcid", image: "pcid"},
	{name: "pcid-disabled", image: "pcid", level: "x86-64-v2"},
	// Each of these works until 2^30 cycles are over, with all the steps before that
	// up to twice as long.
	{name: "vmexit_cpuid", image: "vmexit", args: "cpuid", limit: vmexit},
	{name: "vmexit_mov_from_cr8", image: "vmexit", args: "mov_from_cr8", limit: vmexit},
	{name: "vmexit_mov_to_cr8", image: "vmexit", args: "mov_to_cr8", limit: vmexit},
	{name: "vmexit_inl_pmtimer", image: "vmexit", args: "inl_from_pmtimer", limit: vmexit},
	{name: "vmexit_ipi", image: "vmexit", args: "ipi", cpus: 2, limit: vmexit},
	{name: "vmexit_ipi_halt", image: "vmexit", args: "ipi_halt", cpus: 2, limit: vmexit},
	{name: "vmexit_ple_round_robin", image: "vmexit", args: "ple_round_robin", limit: vmexit},
	{name: "vmexit_tscdeadline", image: "vmexit", args: "tscdeadline", limit: vmexit},
	{name: "vmexit_tscdeadline_immed", image: "vmexit", args: "tscdeadline_immed", limit: vmexit},
	{name: "vmexit_cr0_wp", image: "vmexit", args: "toggle_cr0_wp", cpus: 2, limit: vmexit},
	{name: "vmexit_cr4_pge", image: "vmexit", args: "toggle_cr4_pge", cpus: 2, limit: vmexit},
	{name: "sieve", image: "sieve", limit: 20 * time.Minute},
	// 230,000 NMIs between two processors.
	{name: "x2apic", image: "apic", cpus: 2, limit: 30 * time.Minute, known: apicTimer},
	{name: "xapic", image: "apic", cpus: 2, xapic: true, limit: 30 * time.Minute, known: apicTimer},
}

// apicTimer are checks of the APIC's timer, which counts at 1 GHz here as it does in KVM.
var apicTimer = []known{
	{"amd-v", []string{"TMCCT should not be reset to TMICT value"},
		"the check has 5 ms for the 43 characters of the one before, two exits each; seen with QEMU beside another emulator: 7 and 15 ms, and the count was where these put it"},
	{"vt-x", []string{"APIC LVT timer one shot"},
		"the check takes the TSC to be as fast as the APIC's timer, and here Bochs counts 100 MHz; seen: 65536 ticks of 1 GHz took 8993 of the TSC, 90 us"},
}

const vmexit = 15 * time.Minute
