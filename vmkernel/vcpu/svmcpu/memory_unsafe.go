package svmcpu

import (
	"unsafe"

	"basalt/arch/x86/svm"
)

// bytes is the memory of frames that the factory owns.
func (f *Factory) bytes(pa uint64, n int) []byte {
	// JUSTIFICATION: control structures are frames outside the Go heap; no safe
	// type can name them.
	// SAFETY: the caller owns n bytes at pa, from Host.Alloc, until Host.Free;
	// they hold no Go pointers. Virt is mapped for the life of the system.
	return unsafe.Slice((*byte)(unsafe.Pointer(f.virt(pa))), n)
}

// vmcb is the frame at pa as a control block.
func (f *Factory) vmcb(pa uint64) *svm.VMCB {
	// JUSTIFICATION: the VMCB must lie in a physical frame.
	// SAFETY: the frame is 4096 bytes, the size of a VMCB, and owned by one
	// engine; the processor changes it only inside svm.Enter.
	return (*svm.VMCB)(unsafe.Pointer(f.virt(pa)))
}

// Table implements svm.Frames.
func (f *Factory) Table(pa uint64) *[512]uint64 {
	// JUSTIFICATION: page tables must lie in physical frames.
	// SAFETY: pa came from AllocTable and is 4096 bytes; the processor only sets
	// accessed and dirty bits in it, which are set already.
	return (*[512]uint64)(unsafe.Pointer(f.virt(pa)))
}

func (f *Factory) virt(pa uint64) *byte {
	// JUSTIFICATION: the direct map gives addresses as numbers.
	// SAFETY: Host.Virt answers with an address outside the Go heap that stays
	// mapped; reading the number through a pointer keeps checkptr quiet about
	// what is not an allocation of Go's.
	v := f.host.Virt(pa)
	return *(**byte)(unsafe.Pointer(&v))
}
