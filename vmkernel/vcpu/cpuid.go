package vcpu

// CPUID is what the CPUID instruction answers in one machine: built once from
// the host's processor and a list of what we carry, and the same for the life of
// the machine.
type CPUID struct {
	rows     []leaf
	maxBasic uint32
	intel    bool
	cpus     int   // of a package
	pkgBits  uint8 // of a processor's number in it
	spread   uint8 // an APIC ID is the processor's number shifted by so much
	level    Level
	feat     Features
}

// leaf is one row. sub is compared only when subs is set.
type leaf struct {
	leaf, sub          uint32
	subs               bool
	eax, ebx, ecx, edx uint32
}

// Features are the facts that other policies derive from CPUID.
type Features struct {
	Signature uint32 // leaf 1 EAX
	Intel     bool
	XCR0      uint64 // bits that XSETBV accepts
	CR4       uint64 // bits that a guest may set
	EFER      uint64 // bits that a guest may set
	PhysBits  uint8
	RDTSCP    bool
	MTRR, PAT bool
	// ArchCap is IA32_ARCH_CAPABILITIES, if there is one.
	HasArchCap bool
	ArchCap    uint64
	Sizes      [64]uint16 // end of a state component in the XSAVE area, by bit of XCR0
}

// Features of the virtual processor.
func (c *CPUID) Features() *Features { return &c.feat }

// Level is the level that the policy was made for.
func (c *CPUID) Level() Level { return c.level }

// Signature is family, model and stepping as in EDX after reset.
func (c *CPUID) Signature() uint32 { return c.feat.Signature }

// find is the row for a leaf, or nil. W1.
// invpcid says that the guest is shown INVPCID.
func (c *CPUID) invpcid() bool {
	seven := c.find(7, 0)
	return seven != nil && seven.ebx&bits(10) != 0
}

func (c *CPUID) find(l, sub uint32) *leaf {
	for i := range c.rows {
		r := &c.rows[i]
		if r.leaf == l && (!r.subs || r.sub == sub) {
			return r
		}
	}
	return nil
}

// cpuid executes CPUID. W1.
func (v *VCPU) cpuid(r *Regs) {
	c := v.CPUID
	l, sub := uint32(r.GPR[RAX]), uint32(r.GPR[RCX])
	if l > c.maxBasic && l>>28 == 0 && c.intel {
		l = c.maxBasic // SDM Vol. 2A, CPUID: the data of the highest basic leaf
	}
	p := c.find(l, sub)
	if p == nil {
		r.GPR[RAX], r.GPR[RBX], r.GPR[RCX], r.GPR[RDX] = 0, 0, 0, 0
		if l == 0xb {
			r.GPR[RCX], r.GPR[RDX] = uint64(sub&0xff), uint64(v.apicID())
		}
		return
	}
	a, b, cx, d := p.eax, p.ebx, p.ecx, p.edx
	switch l {
	case 1:
		b |= v.apicID() << 24 // the low 8 bits (SDM Vol. 3A, 11.12.8.1)
		if v.osxsave {
			cx |= 1 << 27
		}
		if v.msr.apicOff {
			d &^= 1 << 9
		}
	case 7:
	case 0xb:
		d = v.apicID()
	case 0xd:
		if sub <= 1 {
			b = c.xsaveSize(v.xcr0)
		}
	case leafTopology:
		a = v.apicID()
		b, cx = v.core()
	}
	r.GPR[RAX], r.GPR[RBX], r.GPR[RCX], r.GPR[RDX] = uint64(a), uint64(b), uint64(cx), uint64(d)
}

// xsaveSize is the size of the XSAVE area for the components in xcr0. W1.
func (c *CPUID) xsaveSize(xcr0 uint64) uint32 {
	n := uint32(576) // legacy region and header
	for i := 2; i < 64; i++ {
		if xcr0>>i&1 != 0 {
			n = max(n, uint32(c.feat.Sizes[i]))
		}
	}
	return n
}

func (v *VCPU) exitCPUID() outcome {
	n := v.length()
	if n == 0 {
		return carryOn
	}
	if uint32(v.Regs().GPR[RAX]) == 0xd {
		v.xcr0 = v.System().XCR0
	}
	v.cpuid(v.Regs())
	v.skip(n)
	return carryOn
}
