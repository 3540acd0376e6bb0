package svm

import "basalt/arch/x86/reg"

// Sizes of the permission maps in bytes; both are physically contiguous (15.10.1,
// 15.11).
const (
	IOPMSize  = 12 << 10
	MSRPMSize = 8 << 10
)

// IOPM is the I/O permission map: bit n set means port n exits. The bits past
// port FFFFh catch accesses that run over the end.
type IOPM struct{ bits []byte }

// NewIOPM makes a map in mem, which must have IOPMSize bytes, with every port
// intercepted.
func NewIOPM(mem []byte) IOPM {
	mem = mem[:IOPMSize]
	for i := range mem {
		mem[i] = 0xFF
	}
	return IOPM{mem}
}

// Pass lets the guest use ports [first, last] without an exit.
func (m IOPM) Pass(first, last uint16) {
	for p := uint32(first); p <= uint32(last); p++ {
		m.bits[p/8] &^= 1 << (p % 8)
	}
}

// Intercepted says whether an access to port exits.
func (m IOPM) Intercepted(port uint16) bool { return m.bits[port/8]>>(port%8)&1 != 0 }

// MSRPM is the MSR permission map: two bits a register, read and write, in three
// vectors (15.11). Registers outside the vectors always exit.
type MSRPM struct{ bits []byte }

// NewMSRPM makes a map in mem, which must have MSRPMSize bytes, with every
// register intercepted.
func NewMSRPM(mem []byte) MSRPM {
	mem = mem[:MSRPMSize]
	for i := range mem {
		mem[i] = 0xFF
	}
	return MSRPM{mem}
}

// bit is the number of the read bit of a register.
func (MSRPM) bit(r reg.MSR) (n uint32, ok bool) {
	switch {
	case r < 0x2000:
		return uint32(r) * 2, true
	case r >= 0xC0000000 && r < 0xC0002000:
		return 0x800*8 + uint32(r-0xC0000000)*2, true
	case r >= 0xC0010000 && r < 0xC0012000:
		return 0x1000*8 + uint32(r-0xC0010000)*2, true
	}
	return 0, false
}

// Pass lets the guest read or write a register without an exit. It reports
// whether the map covers the register.
func (m MSRPM) Pass(r reg.MSR, read, write bool) bool {
	n, ok := m.bit(r)
	if !ok {
		return false
	}
	if read {
		m.bits[n/8] &^= 1 << (n % 8)
	}
	if write {
		m.bits[n/8] &^= 2 << (n % 8)
	}
	return true
}

// Intercepted says whether RDMSR and WRMSR of a register exit.
func (m MSRPM) Intercepted(r reg.MSR) (read, write bool) {
	n, ok := m.bit(r)
	if !ok {
		return true, true
	}
	b := m.bits[n/8] >> (n % 8)
	return b&1 != 0, b&2 != 0
}

// PassedMSRs are the registers that VMLOAD and VMSAVE switch: the guest owns
// them while it runs (15.5.2). PAT is not among them: with nested paging the
// processor should redirect it to G_PAT, but QEMU 7.2 does not.
var PassedMSRs = [...]reg.MSR{
	reg.STAR, reg.LSTAR, reg.CSTAR, reg.SFMASK,
	reg.FSBase, reg.GSBase, reg.KernelGSBase,
	reg.SYSENTER_CS, reg.SYSENTER_ESP, reg.SYSENTER_EIP,
}
