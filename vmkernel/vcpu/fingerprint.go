package vcpu

import (
	"fmt"

	"basalt/vmkernel/checkpoint"
)

const fingerprintVersion = 1

// counterLeaf says that a leaf holds a frequency of this host, which may differ a
// little from boot to boot: the guest has read it already.
func counterLeaf(l uint32) bool { return l == 0x15 || l == 0x16 || l == 0x40000010 }

// brandLeaf says that a leaf is the processor's brand, its caches or its speed: words
// that no code branches on.
func brandLeaf(l uint32) bool { return l == 2 || l == 4 || l >= 0x80000002 && l <= 0x80000006 }

// Fingerprint is what CPUID shows in this machine, for Compare on another host.
func (c *CPUID) Fingerprint() []byte {
	e := checkpoint.NewEncoder(fingerprintVersion)
	for i := range c.rows {
		r := &c.rows[i]
		if counterLeaf(r.leaf) {
			continue
		}
		e.U32(r.leaf)
		e.U32(r.sub)
		for _, v := range r.values() {
			e.U32(v)
		}
	}
	return e.Bytes()
}

func (r *leaf) values() [4]uint32 { return [4]uint32{r.eax, r.ebx, r.ecx, r.edx} }

// featureLeaf says that a register of a leaf is a set of features: more of them on
// this host do no harm to a guest that does not know.
func featureLeaf(l uint32, register int) bool {
	switch l {
	case 1, 0x80000001:
		return register >= 2
	case 7:
		return register >= 1
	case 0x80000008:
		return register == 1
	case 0x80000007:
		return register == 3
	}
	return false
}

// Compare says why a machine with that fingerprint cannot go on here: its vendor
// and model, or the features of which this host has fewer, by leaf, register and
// bits. Features that are here and were not there stay a surprise for the guest, so
// they are refused too: the machine's CPU level has to hide them.
func (c *CPUID) Compare(fingerprint []byte) error {
	d := checkpoint.NewDecoder(fingerprint, fingerprintVersion)
	n := (len(fingerprint) - 2) / 24
	names := [4]string{"EAX", "EBX", "ECX", "EDX"}
	count := 0
	for range n {
		l, sub := d.U32(), d.U32()
		then := [4]uint32{d.U32(), d.U32(), d.U32(), d.U32()}
		if brandLeaf(l) {
			continue
		}
		count++
		now := [4]uint32{}
		if p := c.find(l, sub); p != nil {
			now = p.values()
		}
		for i := range then {
			if then[i] == now[i] {
				continue
			}
			switch {
			case !featureLeaf(l, i):
				return fmt.Errorf("vcpu: the machine's processor differs: CPUID leaf %#x.%d %s was %#x and is %#x here", l, sub, names[i], then[i], now[i])
			case then[i]&^now[i] != 0:
				return fmt.Errorf("vcpu: this host lacks features of the machine's CPU level: CPUID leaf %#x.%d %s, bits %#x", l, sub, names[i], then[i]&^now[i])
			default:
				return fmt.Errorf("vcpu: this host shows features that the machine did not have: CPUID leaf %#x.%d %s, bits %#x", l, sub, names[i], now[i]&^then[i])
			}
		}
	}
	if err := d.Done("CPUID"); err != nil {
		return err
	}
	have := 0
	for i := range c.rows {
		if l := c.rows[i].leaf; !counterLeaf(l) && !brandLeaf(l) {
			have++
		}
	}
	if have != count {
		return fmt.Errorf("vcpu: the machine's processor differs: %d leaves of CPUID, %d here", count, have)
	}
	return nil
}
