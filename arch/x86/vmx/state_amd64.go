package vmx

// ExtendedState is what LoadExtended and SaveExtended need; state_amd64.s uses
// its offsets by name.
type ExtendedState struct {
	Area      uintptr // XSAVE area, 64-byte aligned, outside the Go heap
	HostXCR0  uint64  // the mask of what is saved; 0: FXSAVE only
	GuestXCR0 uint64  // what the guest has in XCR0
}

// LoadExtended puts the guest's x87, SSE and AVX state into the processor, and
// its XCR0; XMM15 goes into f (XRSTOR, SDM Vol. 1, 13.8). Afterwards no code may
// use XMM0 to XMM14.
//
//go:noescape
func LoadExtended(x *ExtendedState, f *Frame)

// SaveExtended stores the guest's state again, puts the host's XCR0 back, and
// gives Go clean flags: default MXCSR, no upper halves.
//
//go:noescape
func SaveExtended(x *ExtendedState, f *Frame)

// HostXCR0 and GuestXCR0 switch XCR0 alone, for the moment in which the host
// takes an interrupt with the guest's state in the processor. XSETBV always
// exits (SDM Vol. 3C, 26.1.2), so the engine knows the guest's value.
//
//go:noescape
func HostXCR0(x *ExtendedState)

// GuestXCR0 puts the guest's XCR0 back.
//
//go:noescape
func GuestXCR0(x *ExtendedState)

// DebugRegisters are those that the VMCS does not switch.
type DebugRegisters struct {
	DR  [4]uint64
	DR6 uint64
}

// LoadDR loads DR0 to DR3 and DR6; DR7 travels in the VMCS.
//
//go:noescape
func LoadDR(d *DebugRegisters)

// SaveDR stores DR0 to DR3 and DR6.
//
//go:noescape
func SaveDR(d *DebugRegisters)

// MSRs are the registers that a guest has for itself and that VMX does not
// switch. The host needs its own before it executes SYSCALL, and the next guest
// must not see them.
type MSRs struct {
	STAR, LSTAR, CSTAR, SFMASK, KernelGSBase, TSCAux uint64
}

// SwapMSRs makes the processor go from the values in from to those in to: it
// writes only what differs. TSC_AUX is left alone when aux is false (a processor
// without RDTSCP).
//
//go:noescape
func SwapMSRs(from, to *MSRs, aux bool)

// ReadMSRs reads all of them.
//
//go:noescape
func ReadMSRs(m *MSRs, aux bool)

// SetCR2 writes CR2 if it has another value.
func SetCR2(v uint64)

// TakeInterrupts turns interrupts on for long enough to take what is pending.
func TakeInterrupts()

// TakeNMI runs the host's NMI handler, for an NMI that ended the guest. Its IRET
// also ends the blocking of NMIs.
func TakeNMI()

// Selectors reads the segment selectors and the task register, 16 bits each: CS,
// SS, DS, ES, FS, GS, TR.
func Selectors() (cs, ss, ds, es, fs, gs, tr uint16)

// DescriptorTables reads the bases of GDT and IDT.
func DescriptorTables() (gdt, idt uint64)
