package guests

import "sort"

// Names are the guests that Build knows.
func Names() []string {
	var n []string
	for name := range builders {
		n = append(n, name)
	}
	sort.Strings(n)
	return n
}

// Build makes the image of a guest, or nil for an unknown name.
func Build(name string) []byte {
	b, ok := builders[name]
	if !ok {
		return nil
	}
	p := newProgram()
	if name != "firmware" { // which looks at what the loader left
		p.maskPIC()
	}
	b(p)
	return p.finish()
}

var builders = map[string]func(*Program){
	"hello": hello,
	"boot":  bootInfo,
	// What a BIOS leaves; see firmware.go.
	"firmware": firmware,

	"triple": triple,
	"spin":   spin,
	"virt":   virt,
	"holes":  holes,
	"flood":  flood,
	"halt":   halt,
	"exits":  exits,
	"bench":  bench,

	"emul":   emulRows,
	"emul64": emul64,
	// Two processors, on one host processor and on two; see benchsmp.go.
	"bench-ipi1": benchIPI(false),
	"bench-ipi2": benchIPI(true),
	// One device; see benchio.go.
	"bench-blk": benchBlk,
	"bench-net": benchNet,

	// Attacks; see hostile.go.
	"msrs":      msrs,
	"crs":       crs,
	"storm":     storm,
	"deadline":  deadline,
	"self-nmi":  selfNMI,
	"self-init": selfINIT,
	"resets":    resetStorm,
	"idt-hole":  idtHole,
	"stk-hole":  stackHole,
	"run-hole":  runIntoHole,
	"rep-hole":  repHole,
	"step":      step,
	"db-loop":   dbLoop,
	"db-stack":  dbStack,

	// Everything at random, and who must not notice; see chaos.go, witness.go.
	"chaos":   chaos,
	"witness": witness,

	// Memory that one entry can map; see gib.go.
	"gib": gib,

	// Several processors; see smp.go.
	"smp":        smp,
	"smp-wide":   smpWide,
	"smp-reset":  smpReset,
	"smp-triple": smpTriple,
	"smp-off":    smpOff,
	"smp-storm":  smpStorm,
	"smp-spin":   smpSpin,
	"smp-pause":  smpPause,

	// One kind of exit for ever, for profiles of the host.
	"loop-cpuid": loop(func(p *Program) { p.Clear(EAX); p.Op("cpuid") }),
	"loop-out80": loop(func(p *Program) { p.OutB(0x80) }),
	"loop-uart":  loop(func(p *Program) { p.Mov(EDX, com1+7); p.OutDX(1) }),
	"loop-hole":  loop(func(p *Program) { p.LoadAbs(EAX, hole) }),
	"loop-in21":  loop(func(p *Program) { p.InB(0x21) }),
	"loop-eoi":   loopEOI,
	"loop-mmio":  loop(func(p *Program) { p.LoadAbs(EAX, hpetCounter) }),
	"loop-lapic": loop(func(p *Program) { p.LoadAbs(EAX, lapicID) }),
	"loop-all":   loopAll,
	"loop-blk":   func(p *Program) { blk(p, true) },
	"loop-net":   func(p *Program) { echo(p, true) },

	// For saved states; see verify.go.
	"verify": verify,

	// No exit: it restores the state of the x87 unit for ever.
	"fxrstor": fxrstor,
}

// loopAll makes exits of every kind that a device model or the run loop answers.
func loopAll(p *Program) {
	loop(func(p *Program) {
		p.Clear(EAX)
		p.Op("cpuid")
		p.OutB(0x80)
		p.InB(0x21)
		p.InB(0x80)
		for _, at := range []uint32{hpetCounter, hole, ioapic, lapicID} {
			p.LoadAbs(EAX, at)
		}
		p.Mov(EBX, lapicTPR)
		p.Clear(EAX)
		p.Store(EBX, 0, EAX)
		p.Mov(ECX, msrAPICBase)
		p.Op("rdmsr")
		p.Op("wbinvd")
		p.Op("pause")
	})(p)
}

// loop runs body until the machine is stopped.
func loop(body func(*Program)) func(*Program) {
	return func(p *Program) {
		p.Print("looping\n")
		p.Bytes(0x66, 0x87, 0xDB) // xchg bx, bx: nothing, or a breakpoint of Bochs
		p.Label("again")
		body(p)
		p.Jmp("again")
	}
}

// fxrstor saves the x87 state once and loads it for ever.
func fxrstor(p *Program) {
	p.Mov(EBX, 0x20_0000) // free memory, aligned to 16
	p.Op("fxsave")
	loop(func(p *Program) { p.Op("fxrstor") })(p)
}

// loopEOI ends interrupts in x2APIC mode for ever.
func loopEOI(p *Program) {
	p.Mov(ECX, msrAPICBase)
	p.Op("rdmsr")
	p.OrImm(EAX, 0xC00)
	p.Op("wrmsr")
	p.wrmsr(msrSVR, 0x1FF)
	loop(func(p *Program) { p.wrmsr(msrEOI, 0) })(p)
}

// hello prints a line and ends.
func hello(p *Program) {
	p.Print("hello from the guest\n")
	p.Done()
}

// bootInfo prints what the boot loader says (Multiboot 0.6.96, 3.3): its magic
// number, the command line, the upper memory in KiB, and each module's string and
// first line.
func bootInfo(p *Program) {
	const upper, cmdline, count, modules = 8, 16, 20, 24
	p.Print("magic ")
	p.LoadAt(EAX, "bootMagic")
	p.PrintHex()
	p.Print("\ncmdline ")
	p.LoadAt(EBX, "bootInfo")
	p.Load(ESI, EBX, cmdline)
	p.Call("puts")
	p.Print("\nupper ")
	p.Load(EAX, EBX, upper)
	p.PrintDec()
	p.Print("\nmodules ")
	p.Load(EAX, EBX, count)
	p.PrintDec()
	p.Print("\n")
	p.Load(EDI, EBX, modules)
	p.Load(EBP, EBX, count)
	p.Label("boot.module")
	p.Test(EBP, EBP)
	p.If(Equal, "boot.end")
	p.Load(ESI, EDI, 8)
	p.Call("puts")
	p.Print(": ")
	p.Load(ESI, EDI, 0)
	p.Call("puts")
	p.AddImm(EDI, 16)
	p.Dec(EBP)
	p.Jmp("boot.module")
	p.Label("boot.end")
	p.Done()
}

// triple makes a triple fault: an exception without an interrupt table.
func triple(p *Program) {
	p.Print("triple fault now\n")
	p.LIDT("noidt")
	p.Op("ud2")
	p.Label("noidt")
	p.Bytes(0, 0, 0, 0, 0, 0)
}

// spin never gives the processor back: interrupts off, no exit.
func spin(p *Program) {
	p.Print("spinning\n")
	p.Op("cli")
	p.Label("forever")
	p.Jmp("forever")
}

// flood writes to the console for ever.
func flood(p *Program) {
	p.Label("again")
	p.Print("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n")
	p.Jmp("again")
}

// halt stops with interrupts off.
func halt(p *Program) {
	p.Print("halting\n")
	p.Jmp("stop")
}

// virtOps are instructions of VMX and SVM: a guest without nesting sees #UD.
var virtOps = []string{"vmrun", "vmload", "vmsave", "stgi", "clgi", "skinit", "invlpga", "vmxon", "vmxoff", "vmlaunch", "vmresume", "vmclear", "monitor", "mwait", "rsm"}

// virt executes each of them and prints how many raised #UD.
func virt(p *Program) {
	p.On(6, "ud")
	p.Clear(EDI)
	for i, op := range virtOps {
		p.MovLabel(ESI, "virt."+op)
		p.Clear(EAX)
		p.Clear(ECX)
		p.Clear(EDX)
		if op == "monitor" || op == "mwait" {
			p.Mov(EAX, stackTop)
		}
		p.Op(op)
		p.Print(op + " ran without a fault\n")
		p.Label("virt." + virtOps[i])
	}
	p.Print("ud ")
	p.MovReg(EAX, EDI)
	p.PrintDec()
	p.Print("\n")
	p.Done()
	// #UD: count, go on at ESI.
	p.Label("ud")
	p.Inc(EDI)
	p.Store(ESP, 0, ESI)
	p.Iret()
}

// holes reads and writes all over the address space and prints what it read, in
// one sum: every access has to end.
func holes(p *Program) {
	p.Clear(EBX)
	p.Mov(ESI, 0x1000_0000)
	p.Label("next")
	p.Load(EAX, ESI, 0x123C)
	p.Store(ESI, 0x123C, EAX)
	p.Add(EBX, EAX)
	p.AddImm(ESI, 0x0100_0000)
	p.If(NotEqual, "next") // wraps to 0
	p.Print("sum ")
	p.MovReg(EAX, EBX)
	p.PrintHex()
	p.Print("\n")
	p.Clear(EDI)
	p.Label("port")
	p.MovReg(EDX, EDI)
	p.InDX(4)
	p.AddImm(EDI, 251)
	p.CmpImm(EDI, 0x1_0000)
	p.If(Below, "port")
	p.Done()
}

// exits does one of everything that leaves the guest and needs no device.
func exits(p *Program) {
	p.Clear(EAX)
	p.Op("cpuid")
	for _, r := range []Reg{EBX, EDX, ECX} {
		p.StoreAt("vendor", r)
		p.Push(EDX)
		p.Push(ECX)
		p.MovLabel(ESI, "vendor")
		p.Call("puts")
		p.Pop(ECX)
		p.Pop(EDX)
	}
	p.Print("\n")
	p.Mov(ECX, 0x1B)
	p.Op("rdmsr")
	p.Print("apic base ")
	p.PrintHex()
	p.Print("\n")
	p.Op("wbinvd")
	p.Op("pause")
	p.Mov(EAX, 0x55)
	p.OutB(0x80)
	p.InB(0x21)
	p.Print("pic mask ")
	p.AndImm(EAX, 0xFF)
	p.PrintHex()
	p.Print("\n")
	p.Done()
	p.Align(4)
	p.Label("vendor")
	p.U32(0)
	p.Bytes(0)
}
