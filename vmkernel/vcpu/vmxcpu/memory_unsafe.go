package vmxcpu

import (
	"unsafe"

	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// pointer makes a pointer of an address in the direct map.
func pointer(va uintptr) unsafe.Pointer {
	// JUSTIFICATION: control structures are frames outside the Go heap; the
	// direct map gives their addresses as numbers.
	// SAFETY: Host.Virt answers with an address that stays mapped; reading the
	// number through a pointer keeps vet and checkptr quiet about what is not
	// an allocation of Go's. The frames hold no Go pointers.
	return *(*unsafe.Pointer)(unsafe.Pointer(&va))
}

// Table implements vmx.Frames.
func (f *Factory) Table(pa uint64) *[512]uint64 {
	// JUSTIFICATION: page tables must lie in physical frames.
	// SAFETY: pa is a frame of 4096 bytes from Host.Alloc, owned by one EPT.
	return (*[512]uint64)(pointer(f.host.Virt(pa)))
}

func (f *Factory) msrBitmap(pa uint64) *vmx.MSRBitmap {
	// JUSTIFICATION: the bitmap must lie in a physical frame.
	// SAFETY: the frame is 4096 bytes, the size of the bitmap.
	return (*vmx.MSRBitmap)(pointer(f.host.Virt(pa)))
}

func (f *Factory) apicPage(pa uint64) *vcpu.APICPage {
	// JUSTIFICATION: the virtual-APIC page must be a physical frame.
	// SAFETY: the frame is 4096 bytes, the size of the page; the processor writes to it
	// only while its engine's guest runs.
	return (*vcpu.APICPage)(pointer(f.host.Virt(pa)))
}

// setRevision writes the first word of a VMXON or VMCS region (SDM Vol. 3C,
// 25.2, 25.11.5).
func (f *Factory) setRevision(pa uint64, rev uint32) {
	// JUSTIFICATION: the region must lie in a physical frame.
	// SAFETY: the frame is fresh and owned by the caller.
	*(*uint32)(pointer(f.host.Virt(pa))) = rev
}

// bytes is the memory of frames that the caller owns.
func (f *Factory) bytes(pa uint64, n int) []byte {
	// JUSTIFICATION: the XSAVE area lies outside the Go heap.
	// SAFETY: the caller owns n bytes at pa until Host.Free.
	return unsafe.Slice((*byte)(pointer(f.host.Virt(pa))), n)
}

// word reads 8 bytes of the host's GDT. W1.
func word(va uint64) uint64 {
	// JUSTIFICATION: the base of the task register is only in its descriptor.
	// SAFETY: va lies in the GDT that this processor uses; it is mapped.
	return *(*uint64)(pointer(uintptr(va)))
}

// regs lays vcpu.Regs over the start of a vmx.Frame.
func regs(f *vmx.Frame) *vcpu.Regs {
	// JUSTIFICATION: both packages want the registers in place and arch may not
	// import vcpu; copying 144 bytes twice an exit would cost more than the
	// rest of it.
	// SAFETY: the constants below do not compile when the layouts part.
	return (*vcpu.Regs)(unsafe.Pointer(f))
}

const (
	_ = uint(unsafe.Offsetof(vmx.Frame{}.RIP) - unsafe.Offsetof(vcpu.Regs{}.RIP))
	_ = uint(unsafe.Offsetof(vcpu.Regs{}.RIP) - unsafe.Offsetof(vmx.Frame{}.RIP))
	_ = uint(unsafe.Offsetof(vmx.Frame{}.RFLAGS) - unsafe.Offsetof(vcpu.Regs{}.RFLAGS))
	_ = uint(unsafe.Offsetof(vcpu.Regs{}.RFLAGS) - unsafe.Offsetof(vmx.Frame{}.RFLAGS))
	_ = uint(0 - unsafe.Offsetof(vmx.Frame{}.GPR) - unsafe.Offsetof(vcpu.Regs{}.GPR))
)
