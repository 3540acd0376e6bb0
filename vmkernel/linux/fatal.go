package linux

import (
	"sync/atomic"

	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
)

// OnFatal is shown the cause when the host cannot go on: it paints the screen. It
// runs with interrupts off and the runtime dead: no allocation, no locks.
var OnFatal func(cause string, regs *Registers)

// Registers are a copy of the interrupted state for the crash screen.
type Registers struct {
	RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP, RFLAGS, CR0, CR2, CR3, CR4        uint64
	Vector, Error                          uint64
	CPU                                    uint32
	Valid                                  bool
}

var fatalRegs Registers

// die stops the host: registers to the log, the crash screen, then halt.
func die(cause string, f *frame) {
	cpu.CLI()
	if !atomic.CompareAndSwapUint32(&stopped, 0, this().id+1) {
		if stopped == this().id+1 {
			// A fault while the crash was shown: what is on the screen stays.
			ttyString("\n(the report itself failed here)\n")
		}
		halt()
	}
	r := &fatalRegs
	r.CR0, r.CR2, r.CR3, r.CR4 = cpu.ReadCR0(), cpu.ReadCR2(), cpu.ReadCR3(), cpu.ReadCR4()
	if f != nil {
		*r = Registers{f.rax, f.rbx, f.rcx, f.rdx, f.rsi, f.rdi, f.rbp, f.rsp, f.r8, f.r9, f.r10, f.r11,
			f.r12, f.r13, f.r14, f.r15, f.rip, f.rflags, r.CR0, r.CR2, r.CR3, r.CR4, f.vector, f.err, this().id, true}
	}
	ttyString("\nPANIC: ")
	ttyString(cause)
	ttyString("\n")
	if f != nil {
		reg("rip", r.RIP)
		reg("rsp", r.RSP)
		reg("cr2", r.CR2)
		reg("vector", r.Vector)
		reg("error", r.Error)
		reg("rflags", r.RFLAGS)
		ttyByte('\n')
		reg("rax", r.RAX)
		reg("rbx", r.RBX)
		reg("rcx", r.RCX)
		reg("rdx", r.RDX)
		reg("rsi", r.RSI)
		reg("rdi", r.RDI)
		ttyByte('\n')
		reg("rbp", r.RBP)
		reg("r8", r.R8)
		reg("r9", r.R9)
		reg("r10", r.R10)
		reg("r14", r.R14)
		reg("r15", r.R15)
		ttyByte('\n')
	}
	if lapicWindow != 0 {
		apic.BroadcastNMI()
	}
	if OnFatal != nil {
		OnFatal(cause, r)
	}
	if RebootOnFatal {
		delay(rebootAfter)
		Reboot()
	}
	halt()
}

// RebootOnFatal restarts the machine some seconds after a crash instead of
// halting it, so that a person or a camera can still read the screen.
var RebootOnFatal bool

const rebootAfter = 10e9 // nanoseconds

// Reboot restarts the machine: the reset control register of the chipset (Intel
// ICH9 data sheet, 13.7.5), the keyboard controller, and a triple fault.
func Reboot() {
	cpu.CLI()
	io.Out8(0xcf9, 2)
	io.Out8(0xcf9, 6)
	delay(50e6)
	io.Out8(0x64, 0xfe)
	delay(50e6)
	idt = [256][2]uint64{}
	cpu.WriteCR3(0)
	halt()
}

// CrashForTest causes an exception inside a handler, which nothing can mend.
func CrashForTest() { crashForTest = 1 }

var crashForTest uint32

func reg(name string, v uint64) {
	ttyString(name)
	ttyByte('=')
	ttyHex(v)
	ttyByte(' ')
}

func halt() {
	for {
		cpu.CLI()
		cpu.HLT()
	}
}

// handleNested gets a fault inside a handler, or a double fault.
func handleNested(f *frame) { die("exception inside the kernel", f) }
