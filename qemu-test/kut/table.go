package main

// test is one row: an image of the suite with its arguments.
type test struct {
	name   string
	image  string // without .flat
	args   string
	cpus   int // 1
	memory int // MiB: 256
	level  string
	// only and why: the engine on which alone it runs, and the reason.
	only, why string
	// build says what the image needs.
	build string
	// known says why a failure is not Basalt's, or is not mended yet.
	known string
}

// i386 is for images that are not made for x86_64: copy them beside the others.
const i386 = ": built by ./configure --arch=i386"

// tests are those of the suite's x86/unittests.cfg that concern what Basalt gives a
// guest, with its names, arguments and numbers of processors.
var tests = []test{
	{name: "cmpxchg8b", image: "cmpxchg8b", build: i386},
	{name: "smptest", image: "smptest", cpus: 2},
	{name: "smptest3", image: "smptest", cpus: 3},
	{name: "vmexit_cpuid", image: "vmexit", args: "cpuid"},
	{name: "vmexit_mov_from_cr8", image: "vmexit", args: "mov_from_cr8"},
	{name: "vmexit_mov_to_cr8", image: "vmexit", args: "mov_to_cr8"},
	{name: "vmexit_inl_pmtimer", image: "vmexit", args: "inl_from_pmtimer"},
	{name: "vmexit_ipi", image: "vmexit", args: "ipi", cpus: 2},
	{name: "vmexit_ipi_halt", image: "vmexit", args: "ipi_halt", cpus: 2},
	{name: "vmexit_ple_round_robin", image: "vmexit", args: "ple_round_robin"},
	{name: "vmexit_tscdeadline", image: "vmexit", args: "tscdeadline"},
	{name: "vmexit_tscdeadline_immed", image: "vmexit", args: "tscdeadline_immed"},
	{name: "vmexit_cr0_wp", image: "vmexit", args: "toggle_cr0_wp"},
	{name: "vmexit_cr4_pge", image: "vmexit", args: "toggle_cr4_pge"},
	{name: "smap", image: "smap"},
	{name: "memory", image: "memory"},
	{name: "realmode", image: "realmode"},
	{name: "setjmp", image: "setjmp"},
	{name: "syscall", image: "syscall"},
	{name: "tsc", image: "tsc"},
	{name: "tsc_adjust", image: "tsc_adjust"},
	{name: "rmap_chain", image: "rmap_chain"},
	{name: "taskswitch", image: "taskswitch", build: i386},
	{name: "umip", image: "umip"},
	{name: "rdpru", image: "rdpru"},
	{name: "ioapic", image: "ioapic", cpus: 4},
	{name: "idt_test", image: "idt_test"},
	{name: "sieve", image: "sieve"},
	{name: "pcid", image: "pcid"},
	{name: "x2apic", image: "apic", cpus: 2},
	{name: "xapic", image: "apic", cpus: 2},
}
