package guests

import (
	"basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
)

// What chaos does to virtio devices. EBX is the function as its registers were at the
// start, EDI the address of its registers then.

// queues is how many queues of a device are set up.
const queues = 4

// headers is a page of small numbers, behind the rings.
const headers = play + 0x4_0000

func (p *Program) chaosVirtio() {
	doorbells := uint32(virtio.Doorbell(0))

	p.Label("device")
	p.Call("pickVirtio")
	p.Load(EDI, EBX, 0x10)
	p.AndImm(EDI, 0xFFFF_F000)
	p.Ret()

	put8 := func(at int32) { p.Bytes(0x88); p.mem(EAX, EDI, at) }
	put16 := func(at int32) { p.Bytes(0x66); p.Store(EDI, at, EAX) }
	status := func(v uint32) { p.Mov(EAX, v); put8(spec.DeviceStatus) }

	// begin: up to the features, of which the random part is chosen by the mask ECX.
	p.Label("begin")
	p.MovReg(ESI, ECX)
	status(0)
	status(spec.StatusAcknowledge)
	status(spec.StatusAcknowledge | spec.StatusDriver)
	p.Clear(EAX)
	p.Store(EDI, spec.DeviceFeatureSelect, EAX)
	p.Store(EDI, spec.DriverFeatureSelect, EAX)
	p.Load(EAX, EDI, spec.DeviceFeature)
	p.And(EAX, ESI)
	p.Store(EDI, spec.DriverFeature, EAX)
	p.Mov(EAX, 1)
	p.Store(EDI, spec.DeviceFeatureSelect, EAX)
	p.Store(EDI, spec.DriverFeatureSelect, EAX)
	p.rand(1 << 16)
	p.OrImm(EAX, 1<<(spec.FVersion1-32))
	p.Load(ECX, EDI, spec.DeviceFeature)
	p.And(EAX, ECX)
	p.Store(EDI, spec.DriverFeature, EAX)
	p.AndImm(EAX, 1<<(spec.FRingPacked-32))
	p.StoreAt("packed", EAX) // by the other processor too, now and then
	status(spec.StatusAcknowledge | spec.StatusDriver | spec.StatusFeaturesOK)
	p.rand(4)
	put16(spec.ConfigMSIXVector)
	p.Ret()

	// setup: queues of any size anywhere.
	p.Label("setup")
	p.Call("device")
	p.Call("word")
	p.MovReg(ECX, EAX)
	p.Call("begin")
	p.Mov(ESI, queues)
	p.Label("setup.next")
	p.oneOf(
		choice{7, func() { p.MovReg(EAX, ESI); p.Dec(EAX) }},
		choice{1, func() { p.Call("rand") }},
	)
	put16(spec.QueueSelect)
	p.oneOf(
		choice{4, func() { p.Mov(EAX, 16) }},
		choice{2, func() { p.rand(256) }},
		choice{1, func() { p.Mov(EAX, 1) }},
		choice{1, func() { p.Call("word") }},
	)
	put16(spec.QueueSize)
	for _, at := range []int32{spec.QueueDesc, spec.QueueDriver, spec.QueueDevice} {
		p.Call("addr")
		p.Store(EDI, at, EAX)
		p.Store(EDI, at+4, EDX)
	}
	p.rand(8)
	put16(spec.QueueMSIXVector)
	p.Mov(EAX, 1)
	put16(spec.QueueEnable)
	p.Dec(ESI)
	p.If(NotEqual, "setup.next")
	status(spec.StatusAcknowledge | spec.StatusDriver | spec.StatusFeaturesOK | spec.StatusDriverOK)
	p.Ret()

	// drive: queues as they should be, with what is in them at random, and a doorbell
	// for each. Other processors and devices write to the same pages.
	p.Label("drive")
	p.Call("device")
	p.Mov(ECX, 0xFFFF_FFFF)
	p.Call("begin")
	p.Mov(ESI, queues)
	p.Label("drive.next")
	p.MovReg(EAX, ESI)
	p.Dec(EAX)
	put16(spec.QueueSelect)
	p.Mov(EAX, 16)
	put16(spec.QueueSize)
	p.rand(4)
	put16(spec.QueueMSIXVector)
	p.pages(ESI)
	p.Clear(EDX)
	for _, at := range []int32{spec.QueueDesc, spec.QueueDriver, spec.QueueDevice} {
		p.Store(EDI, at, EAX)
		p.Store(EDI, at+4, EDX)
		p.AddImm(EAX, 0x1000)
	}
	p.Mov(EAX, 1)
	put16(spec.QueueEnable)
	p.Push(EDI)
	p.Push(ESI)
	p.Push(EBX)
	p.pages(ESI)
	p.MovReg(EDI, EAX)
	p.oneOf(
		choice{1, func() { p.Call("descriptors") }},
		choice{3, func() { p.Call("chains") }},
	)
	p.AndImm(EDI, 0xFFFF_F000)
	p.AddImm(EDI, 0x1000)
	p.Call("available")
	p.Clear(EAX)
	p.Store(EDI, 0x1000, EAX) // used flags and index
	p.Pop(EBX)
	p.Pop(ESI)
	p.Pop(EDI)
	p.Dec(ESI)
	p.If(NotEqual, "drive.next")
	status(spec.StatusAcknowledge | spec.StatusDriver | spec.StatusFeaturesOK | spec.StatusDriverOK)
	for q := range uint32(queues) {
		p.Mov(EAX, q)
		put16(int32(virtio.Doorbell(int(q))))
	}
	// Some time later: what came back, and whether it wants a reset.
	p.Mov(ECX, 2000)
	p.Label("drive.wait")
	p.Op("pause")
	p.Dec(ECX)
	p.If(NotEqual, "drive.wait")
	p.Load(ESI, EBX, pci.SubsystemVendor)
	p.Shr(ESI, 16)
	p.AndImm(ESI, 7) // the device's type
	for q := range uint32(queues) {
		none, some := p.Local("none"), p.Local("some")
		p.LoadAbs(EAX, play+0x1_0000+q*ringSize+0x2000)
		p.Shr(EAX, 16)
		p.If(NotEqual, some)
		p.LoadAbs(EAX, play+0x1_0000+q*ringSize+spec.PackedID)
		p.Test(EAX, EAX)
		p.Bytes(0x0F, 0x89) // jns
		p.rel(none)
		p.Label(some)
		p.LockIncOf("answers", ESI)
		p.Label(none)
	}
	p.Load(EAX, EDI, spec.DeviceStatus)
	p.AndImm(EAX, spec.StatusNeedsReset)
	p.If(Equal, "drive.end")
	p.LockIncOf("broken", ESI)
	p.Label("drive.end")
	p.Ret()

	// descriptors: 16 at EDI, each with another mixture of flags. Indirect ones point to
	// pages that have the same; next makes loops by itself.
	p.Label("descriptors")
	p.Mov(ESI, 16)
	p.Label("descriptors.next")
	p.Call("addr")
	p.Store(EDI, spec.DescAddr, EAX)
	p.Store(EDI, spec.DescAddr+4, EDX)
	p.Call("length")
	p.Store(EDI, spec.DescLen, EAX)
	p.oneOf(
		choice{4, func() { p.rand(4); p.MovReg(ECX, EAX); p.rand(16) }},                                                     // flags, next
		choice{1, func() { p.rand(8); p.MovReg(ECX, EAX); p.rand(16) }},                                                     //
		choice{2, func() { p.rand(16); p.MovReg(ECX, EAX); p.rand(8); p.OrImm(EAX, spec.DescFAvail); p.AndImm(EAX, 0xFB) }}, // packed
		choice{1, func() { p.Call("rand"); p.MovReg(ECX, EAX); p.Call("rand") }},
	)
	p.Shl(EAX, 16)
	p.AndImm(ECX, 0xFFFF)
	p.Or(EAX, ECX)
	p.Store(EDI, spec.DescFlags, EAX)
	p.AddImm(EDI, spec.DescSize)
	p.Dec(ESI)
	p.If(NotEqual, "descriptors.next")
	p.Ret()

	// chains: five of three descriptors at EDI, as requests of a disk or buffers of an
	// adapter are, with a mistake in some of them.
	p.Label("chains")
	p.oneOf( // WRITE of the three, ESI
		choice{4, func() { p.Mov(ESI, 0b100) }},
		choice{4, func() { p.Mov(ESI, 0b110) }},
		choice{4, func() { p.Clear(ESI) }},
		choice{4, func() { p.Mov(ESI, 0b111) }},
	)
	p.Clear(EBX)
	p.Label("chains.next")
	p.Call("addr")
	p.Store(EDI, spec.DescAddr, EAX)
	p.Store(EDI, spec.DescAddr+4, EDX)
	p.Call("length")
	p.Store(EDI, spec.DescLen, EAX)
	p.MovReg(EAX, EBX)
	p.Clear(EDX)
	p.Mov(ECX, 3)
	p.Div(ECX)
	p.jump(EDX,
		func() { // a header among the small numbers
			p.rand(8)
			p.Shl(EAX, 6)
			p.AddImm(EAX, headers)
			p.Store(EDI, spec.DescAddr, EAX)
			p.Clear(EAX)
			p.Store(EDI, spec.DescAddr+4, EAX)
			p.Mov(EAX, 16)
			p.Store(EDI, spec.DescLen, EAX)
			p.MovReg(EAX, ESI)
			p.AndImm(EAX, 1)
			p.Shl(EAX, 1)
			p.OrImm(EAX, spec.DescFNext)
		},
		func() { p.MovReg(EAX, ESI); p.AndImm(EAX, 2); p.OrImm(EAX, spec.DescFNext) },
		func() {
			p.Mov(EAX, 1)
			p.Store(EDI, spec.DescLen, EAX)
			p.MovReg(EAX, ESI)
			p.AndImm(EAX, 4)
			p.Shr(EAX, 1)
		},
		func() {})
	p.MovReg(ECX, EAX)
	p.oneOf(
		choice{31, func() {}},
		choice{1, func() { p.Call("rand"); p.MovReg(ECX, EAX) }},
	)
	p.LoadAt(EDX, "packed")
	p.Test(EDX, EDX)
	p.If(NotEqual, "chains.packed")
	p.MovReg(EAX, EBX)
	p.Inc(EAX)
	p.Jmp("chains.flags")
	p.Label("chains.packed")
	p.MovReg(EAX, ECX)
	p.OrImm(EAX, spec.DescFAvail)
	p.MovReg(ECX, EBX)
	p.Label("chains.flags")
	p.Shl(EAX, 16)
	p.AndImm(ECX, 0xFFFF)
	p.Or(EAX, ECX)
	p.Store(EDI, spec.DescFlags, EAX)
	p.AddImm(EDI, spec.DescSize)
	p.Inc(EBX)
	p.CmpImm(EBX, 15)
	p.If(NotEqual, "chains.next")
	p.Ret()

	// available: the driver's area at EDI, with up to 16 new entries or too many.
	p.Label("available")
	p.Mov(ESI, 9)
	p.MovReg(EBX, EDI)
	p.Label("available.next")
	p.Call("rand")
	p.oneOf(
		choice{1, func() { p.AndImm(EAX, 0x000F_000F) }},
		choice{3, func() { p.Call("rand"); p.AndImm(EAX, 0x0003_0003); p.Bytes(0x6B, 0xC0, 3) }}, // imul eax, eax, 3: heads of chains
	)
	p.AddImm(EBX, 4)
	p.Store(EBX, 0, EAX)
	p.Dec(ESI)
	p.If(NotEqual, "available.next")
	p.oneOf(
		choice{6, func() { p.rand(32); p.Shl(EAX, 16) }},
		choice{2, func() { p.Call("word") }},
	)
	p.Store(EDI, 0, EAX)
	p.Ret()

	// rings: descriptors or available entries where a ring may be.
	p.Label("rings")
	p.Call("anyPage")
	p.oneOf(
		choice{2, func() { p.Call("descriptors") }},
		choice{2, func() { p.Call("available") }},
	)
	p.Ret()

	// data: small numbers, which are types and sectors.
	p.Label("data")
	p.oneOf(
		choice{1, func() { p.Call("anyPage") }},
		choice{1, func() { p.rand(8); p.Shl(EAX, 6); p.AddImm(EAX, headers); p.MovReg(EDI, EAX) }},
	)
	p.Mov(ESI, 16)
	p.Label("data.next")
	p.rand(16)
	p.Store(EDI, 0, EAX)
	p.AddImm(EDI, 4)
	p.Dec(ESI)
	p.If(NotEqual, "data.next")
	p.Ret()

	// anyPage: EDI is one of the pages of addr, or of the rings of drive.
	p.Label("anyPage")
	p.rand(32)
	p.Shl(EAX, 12)
	p.AddImm(EAX, play)
	p.MovReg(EDI, EAX)
	p.Ret()

	// doorbell: in memory or by port, with the queue's number or any.
	p.Label("doorbell")
	p.Call("device")
	p.oneOf(
		choice{8, func() {
			p.rand(queues)
			p.MovReg(ECX, EAX)
			p.Shl(ECX, 2)
			p.Add(EDI, ECX)
			put16(int32(doorbells))
		}},
		choice{4, func() {
			p.Load(EDX, EBX, 0x10+4*virtio.DoorbellBAR)
			p.AndImm(EDX, 0xFFFC)
			p.rand(queues)
			p.Bytes(0x66)
			p.OutDX(4)
		}},
		choice{2, func() {
			p.rand(0x100)
			p.Add(EDI, EAX)
			p.AddImm(EDI, doorbells)
			p.MovReg(EBX, EDI)
			p.Call("anyMemory")
		}},
		choice{2, func() { // half-way: it may have begun
			p.Clear(EAX)
			put16(int32(doorbells))
			p.Clear(EAX)
			put8(spec.DeviceStatus)
		}},
	)
	p.Ret()

	p.Label("deviceReset")
	p.Call("device")
	p.Clear(EAX)
	put8(spec.DeviceStatus)
	p.Ret()

	// common: any register of the common configuration, in any state.
	p.Label("common")
	p.Call("device")
	p.rand(0x40)
	p.Add(EDI, EAX)
	p.MovReg(EBX, EDI)
	p.Call("anyMemory")
	p.Ret()

	// registers: anything in the first two BARs.
	p.Label("registers")
	p.Call("device")
	p.oneOf(
		choice{1, func() {}},
		choice{1, func() { p.Load(EDI, EBX, 0x14); p.AndImm(EDI, 0xFFFF_F000) }},
	)
	p.rand(uint32(0x4000))
	p.Add(EDI, EAX)
	p.MovReg(EBX, EDI)
	p.Call("anyMemory")
	p.Ret()

	// msix: an entry that can work, or not.
	p.Label("msix")
	p.Call("device")
	p.Load(EDI, EBX, 0x10+4*virtio.MSIXBAR)
	p.AndImm(EDI, 0xFFFF_F000)
	p.rand(8)
	p.Shl(EAX, 4)
	p.Add(EDI, EAX)
	p.Call("rand")
	p.AndImm(EAX, 0xFF_FFFC)
	p.OrImm(EAX, lapicBase)
	p.Store(EDI, 0, EAX)
	p.Clear(EAX)
	p.Store(EDI, 4, EAX)
	p.Call("mode")
	p.Store(EDI, 8, EAX)
	p.rand(4)
	p.AndImm(EAX, 1)
	p.Store(EDI, 12, EAX)
	p.Ret()
}

// pages makes EAX the first of the pages of queue number q-1 of drive.
func (p *Program) pages(q Reg) {
	p.MovReg(EAX, q)
	p.Bytes(0x69, 0xC0) // imul eax, eax, imm32
	p.U32(ringSize)
	p.AddImm(EAX, play+0x1_0000-ringSize)
}
