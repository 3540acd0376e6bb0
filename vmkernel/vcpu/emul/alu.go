package emul

import (
	"math/bits"

	"basalt/vmkernel/vcpu"
)

const aluFlags = vcpu.FlagCF | vcpu.FlagPF | vcpu.FlagAF | vcpu.FlagZF | vcpu.FlagSF | vcpu.FlagOF

// alu computes a op b on n bytes and the flags (SDM Vol. 1, 3.4.3.1).
func alu(o op, a, b uint64, n uint8, flags uint64) (uint64, uint64) {
	m := sizeMask(n)
	sign := uint64(1) << (8*n - 1)
	a, b = a&m, b&m
	carry := flags & vcpu.FlagCF
	f := flags &^ aluFlags
	var res uint64
	switch o {
	case opAdd, opAdc:
		if o == opAdd {
			carry = 0
		}
		res = (a + b + carry) & m
		if res < a || carry != 0 && res == a {
			f |= vcpu.FlagCF
		}
		if (a^res)&(b^res)&sign != 0 {
			f |= vcpu.FlagOF
		}
		f |= (a ^ b ^ res) & vcpu.FlagAF
	case opSub, opSbb, opCmp:
		if o != opSbb {
			carry = 0
		}
		res = (a - b - carry) & m
		if a < b || carry != 0 && a == b {
			f |= vcpu.FlagCF
		}
		if (a^b)&(a^res)&sign != 0 {
			f |= vcpu.FlagOF
		}
		f |= (a ^ b ^ res) & vcpu.FlagAF
	case opAnd, opTest:
		res = a & b
	case opOr:
		res = a | b
	case opXor:
		res = a ^ b
	}
	if res == 0 {
		f |= vcpu.FlagZF
	}
	if res&sign != 0 {
		f |= vcpu.FlagSF
	}
	if bits.OnesCount8(uint8(res))&1 == 0 {
		f |= vcpu.FlagPF
	}
	return res, f
}
