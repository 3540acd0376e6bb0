package vmxcpu

import (
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/vmx"
)

// ops are the privileged instructions of the engine. Tests put in their own.
type ops struct {
	enter          func(f *vmx.Frame) vmx.Flags
	fillRSB        func()
	exitPC         func() uint64
	read           func(f vmx.Field) (uint64, vmx.Flags)
	readMany       func(f []vmx.Field, v []uint64)
	write          func(f vmx.Field, v uint64) vmx.Flags
	vmxon          func(pa uint64) vmx.Flags
	vmclear        func(pa uint64) vmx.Flags
	vmptrld        func(pa uint64) vmx.Flags
	invept         func(kind, eptp uint64) vmx.Flags
	invvpid        func(kind, vpid, addr uint64) vmx.Flags
	takeInterrupts func()
	takeNMI        func()
	loadExtended   func(x *vmx.ExtendedState, f *vmx.Frame)
	saveExtended   func(x *vmx.ExtendedState, f *vmx.Frame)
	hostXCR0       func(x *vmx.ExtendedState)
	guestXCR0      func(x *vmx.ExtendedState)
	loadDR         func(d *vmx.DebugRegisters)
	saveDR         func(d *vmx.DebugRegisters)
	readMSRs       func(m *vmx.MSRs, aux bool)
	swapMSRs       func(from, to *vmx.MSRs, aux bool)
	rdmsr          func(index uint32) uint64
	wrmsr          func(index uint32, value uint64)
	readCR0        func() uint64
	readCR2        func() uint64
	setCR2         func(v uint64)
	readCR3        func() uint64
	readCR4        func() uint64
	writeCR4       func(v uint64)
	selectors      func() (cs, ss, ds, es, fs, gs, tr uint16)
	tables         func() (gdt, idt uint64)
	word           func(va uint64) uint64
	cli, sti       func()
}

var hardware = ops{
	enter:          vmx.Enter,
	fillRSB:        vmx.FillRSB,
	exitPC:         vmx.ExitPC,
	read:           vmx.VMREAD,
	readMany:       vmx.ReadFields,
	write:          vmx.VMWRITE,
	vmxon:          vmx.VMXON,
	vmclear:        vmx.VMCLEAR,
	vmptrld:        vmx.VMPTRLD,
	invept:         vmx.INVEPT,
	invvpid:        vmx.INVVPID,
	takeInterrupts: vmx.TakeInterrupts,
	takeNMI:        vmx.TakeNMI,
	loadExtended:   vmx.LoadExtended,
	saveExtended:   vmx.SaveExtended,
	hostXCR0:       vmx.HostXCR0,
	guestXCR0:      vmx.GuestXCR0,
	loadDR:         vmx.LoadDR,
	saveDR:         vmx.SaveDR,
	readMSRs:       vmx.ReadMSRs,
	swapMSRs:       vmx.SwapMSRs,
	rdmsr:          cpu.RDMSR,
	wrmsr:          cpu.WRMSR,
	readCR0:        cpu.ReadCR0,
	readCR2:        cpu.ReadCR2,
	setCR2:         vmx.SetCR2,
	readCR3:        cpu.ReadCR3,
	readCR4:        cpu.ReadCR4,
	writeCR4:       cpu.WriteCR4,
	selectors:      vmx.Selectors,
	tables:         vmx.DescriptorTables,
	word:           word,
	cli:            cpu.CLI,
	sti:            cpu.STI,
}

// rd and wr are VMREAD and VMWRITE of fields that this package knows to exist on
// every processor that it accepts; a failure would be our own bug and shows at
// the next entry.
func (e *Engine) rd(f vmx.Field) uint64 {
	v, _ := e.ops.read(f)
	return v
}

func (e *Engine) wr(f vmx.Field, v uint64) { e.ops.write(f, v) }
