package svm

// ExtendedState is what LoadExtended and SaveExtended need. Its layout is known
// to state_amd64.s.
type ExtendedState struct {
	Area      uintptr // 00h XSAVE area, 64-byte aligned, outside the Go heap
	HostXCR0  uint64  // 08h the mask of what is saved; 0: FXSAVE only
	GuestXCR0 uint64  // 10h what the guest has in XCR0
}

// LoadExtended puts the guest's x87, SSE and AVX state into the processor, and its
// XCR0; XMM15 goes into f (XRSTOR, 11.5.9). Afterwards no code may use XMM0 to
// XMM14.
//
//go:noescape
func LoadExtended(x *ExtendedState, f *Frame)

// SaveExtended stores the guest's state again, puts the host's XCR0 back, and gives
// Go clean flags: default MXCSR, no upper halves. It reads the guest's XCR0 from the
// processor, because QEMU 7.2 has no XSETBV intercept.
//
//go:noescape
func SaveExtended(x *ExtendedState, f *Frame)

// HostXCR0 and GuestXCR0 switch XCR0 alone, for the moment in which the host takes
// an interrupt with the guest's state in the processor.
//
//go:noescape
func HostXCR0(x *ExtendedState)

// GuestXCR0 puts the guest's XCR0 back.
//
//go:noescape
func GuestXCR0(x *ExtendedState)

// LoadDR loads DR0 to DR3; DR6 and DR7 travel in the VMCB.
//
//go:noescape
func LoadDR(dr *[4]uint64)

// SaveDR stores DR0 to DR3.
//
//go:noescape
func SaveDR(dr *[4]uint64)
