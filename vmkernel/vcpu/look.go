package vcpu

import "encoding/binary"

// look is what a processor looks like besides its features: identity, brand, caches
// and widths.
type look struct {
	leaf  func(leaf, sub uint32) leaf
	basic uint32
	bits  uint8 // 0: the host's
}

func (k *look) maxBasic() uint32 { return k.basic }

func (k *look) physBits(host uint8) uint8 {
	if k.bits != 0 {
		return k.bits
	}
	return host
}

// hostLook is the host's own.
func hostLook(h Host, intel bool) look {
	ask := func(l, sub uint32) (r leaf) {
		r.eax, r.ebx, r.ecx, r.edx = h.CPUID(l, sub)
		return r
	}
	basic := min(max(ask(0, 0).eax, 0xd), 0x16)
	if !intel {
		basic = min(basic, 0x10)
	}
	return look{leaf: ask, basic: basic}
}

// The caches of every level, whatever is below: L1 32 KiB each, L2 256 KiB (AMD:
// 512 KiB), L3 8 MiB, lines of 64 bytes (SDM Vol. 2A, CPUID leaves 2, 4 and
// 8000_0006; APM Vol. 3, E.4.5 and E.4.6).
var (
	// Type and level; ways, partitions and line size less one; sets less one.
	intelCaches = [...]leaf{
		{eax: 1 | 1<<5 | 1<<8, ebx: 7<<22 | 63, ecx: 63},
		{eax: 2 | 1<<5 | 1<<8, ebx: 7<<22 | 63, ecx: 63},
		{eax: 3 | 2<<5 | 1<<8, ebx: 7<<22 | 63, ecx: 511},
		{eax: 3 | 3<<5 | 1<<8, ebx: 15<<22 | 63, ecx: 8191, edx: 2},
	}
	intelL2 = leaf{ecx: 256<<16 | 6<<12 | 64}
	// 64 entries in the TLBs of L1; 32 KiB, 8 ways.
	amdL1 = leaf{eax: 0xff40ff40, ebx: 0xff40ff40, ecx: 32<<24 | 8<<16 | 1<<8 | 64, edx: 32<<24 | 8<<16 | 1<<8 | 64}
	amdL2 = leaf{eax: 0x26006400, ebx: 0x66006400, ecx: 512<<16 | 6<<12 | 1<<8 | 64, edx: 16<<18 | 8<<12 | 1<<8 | 64}
)

// Highest basic leaves of a level: none of the host's frequencies (15h, 16h), and no
// XSAVE leaf where there is no XSAVE.
const (
	maxWithXSAVE    = 0xd
	maxWithoutXSAVE = 0xb
)

// levelLook is the same on every host of a vendor.
func levelLook(h Host, d *levelDef, intel bool) look {
	k := look{basic: maxWithoutXSAVE, bits: d.physBits}
	if d.set.has(w1ECX, 26) {
		k.basic = maxWithXSAVE
	}
	var v leaf // the vendor
	_, v.ebx, v.ecx, v.edx = h.CPUID(0, 0)
	signature := d.signature[1]
	if intel {
		signature = d.signature[0]
	}
	var brand [48]byte
	copy(brand[:], "Basalt virtual CPU "+d.name)
	k.leaf = func(l, sub uint32) leaf {
		switch {
		case l == 0 || l == 0x80000000:
			return v
		case l == 1:
			return leaf{eax: signature, ebx: 8 << 8} // CLFLUSH of 64 bytes
		case l == 2:
			return leaf{eax: 0xff01} // ask leaf 4
		case l == 4 && int(sub) < len(intelCaches):
			return intelCaches[sub]
		case l == 0x80000001:
			return leaf{eax: signature}
		case l-0x80000002 < 3:
			b := brand[16*(l-0x80000002):]
			w := binary.LittleEndian.Uint32
			return leaf{eax: w(b), ebx: w(b[4:]), ecx: w(b[8:]), edx: w(b[12:])}
		case l == 0x80000005 && !intel:
			return amdL1
		case l == 0x80000006 && intel:
			return intelL2
		case l == 0x80000006:
			return amdL2
		}
		// 8000_0007 too: a counter whose rate changes with the host is not invariant.
		return leaf{}
	}
	return k
}
