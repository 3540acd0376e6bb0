package svm

import (
	"testing"
	"unsafe"
)

// The offsets are those of APM Vol. 2, Tables B-1 and B-2.
func TestVMCBLayout(t *testing.T) {
	var v VMCB
	c, s := &v.Control, &v.Save
	base := uintptr(unsafe.Pointer(&v))
	at := func(p unsafe.Pointer) uintptr { return uintptr(p) - base }
	for _, f := range []struct {
		name      string
		off, want uintptr
	}{
		{"intercept CR read", at(unsafe.Pointer(&c.InterceptCRRead)), 0x00},
		{"intercept DR write", at(unsafe.Pointer(&c.InterceptDRWrite)), 0x06},
		{"intercept exceptions", at(unsafe.Pointer(&c.InterceptExceptions)), 0x08},
		{"intercept 1", at(unsafe.Pointer(&c.Intercept1)), 0x0C},
		{"intercept 3", at(unsafe.Pointer(&c.Intercept3)), 0x14},
		{"pause threshold", at(unsafe.Pointer(&c.PauseFilterThresh)), 0x3C},
		{"IOPM_BASE_PA", at(unsafe.Pointer(&c.IOPM)), 0x40},
		{"MSRPM_BASE_PA", at(unsafe.Pointer(&c.MSRPM)), 0x48},
		{"TSC_OFFSET", at(unsafe.Pointer(&c.TSCOffset)), 0x50},
		{"guest ASID", at(unsafe.Pointer(&c.ASID)), 0x58},
		{"TLB_CONTROL", at(unsafe.Pointer(&c.TLBControl)), 0x5C},
		{"V_TPR", at(unsafe.Pointer(&c.VTPR)), 0x60},
		{"V_INTR_MASKING", at(unsafe.Pointer(&c.VCtl)), 0x63},
		{"V_INTR_VECTOR", at(unsafe.Pointer(&c.VIntrVector)), 0x64},
		{"INTERRUPT_SHADOW", at(unsafe.Pointer(&c.Shadow)), 0x68},
		{"EXITCODE", at(unsafe.Pointer(&c.ExitCode)), 0x70},
		{"EXITINFO1", at(unsafe.Pointer(&c.ExitInfo1)), 0x78},
		{"EXITINFO2", at(unsafe.Pointer(&c.ExitInfo2)), 0x80},
		{"EXITINTINFO", at(unsafe.Pointer(&c.ExitIntInfo)), 0x88},
		{"NP_ENABLE", at(unsafe.Pointer(&c.NestedCtl)), 0x90},
		{"EVENTINJ", at(unsafe.Pointer(&c.EventInj)), 0xA8},
		{"N_CR3", at(unsafe.Pointer(&c.NCR3)), 0xB0},
		{"LBR_VIRTUALIZATION_ENABLE", at(unsafe.Pointer(&c.VirtExt)), 0xB8},
		{"VMCB clean bits", at(unsafe.Pointer(&c.Clean)), 0xC0},
		{"nRIP", at(unsafe.Pointer(&c.NRIP)), 0xC8},
		{"instruction bytes", at(unsafe.Pointer(&c.InstBytesN)), 0xD0},
		{"save area", at(unsafe.Pointer(s)), 0x400},
		{"ES", at(unsafe.Pointer(&s.ES)), 0x400},
		{"CS", at(unsafe.Pointer(&s.CS)), 0x410},
		{"GDTR", at(unsafe.Pointer(&s.GDTR)), 0x460},
		{"LDTR", at(unsafe.Pointer(&s.LDTR)), 0x470},
		{"IDTR", at(unsafe.Pointer(&s.IDTR)), 0x480},
		{"TR", at(unsafe.Pointer(&s.TR)), 0x490},
		{"CPL", at(unsafe.Pointer(&s.CPL)), 0x4CB},
		{"EFER", at(unsafe.Pointer(&s.EFER)), 0x4D0},
		{"CR4", at(unsafe.Pointer(&s.CR4)), 0x548},
		{"CR0", at(unsafe.Pointer(&s.CR0)), 0x558},
		{"DR7", at(unsafe.Pointer(&s.DR7)), 0x560},
		{"RFLAGS", at(unsafe.Pointer(&s.RFLAGS)), 0x570},
		{"RIP", at(unsafe.Pointer(&s.RIP)), 0x578},
		{"RSP", at(unsafe.Pointer(&s.RSP)), 0x5D8},
		{"RAX", at(unsafe.Pointer(&s.RAX)), 0x5F8},
		{"STAR", at(unsafe.Pointer(&s.STAR)), 0x600},
		{"KernelGSBase", at(unsafe.Pointer(&s.KernelGSBase)), 0x620},
		{"SYSENTER_EIP", at(unsafe.Pointer(&s.SysenterEIP)), 0x638},
		{"CR2", at(unsafe.Pointer(&s.CR2)), 0x640},
		{"G_PAT", at(unsafe.Pointer(&s.GPAT)), 0x668},
		{"DBGCTL", at(unsafe.Pointer(&s.DebugCtl)), 0x670},
		{"LASTEXCPTO", at(unsafe.Pointer(&s.LastExcpTo)), 0x690},
		{"SPEC_CTRL", at(unsafe.Pointer(&s.SpecCtrl)), 0x6E0},
	} {
		if f.off != f.want {
			t.Errorf("%s at %#x, want %#x", f.name, f.off, f.want)
		}
	}
	if n := unsafe.Sizeof(v); n != 4096 {
		t.Errorf("VMCB has %d bytes", n)
	}
}
