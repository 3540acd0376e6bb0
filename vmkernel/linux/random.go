package linux

import (
	"math/bits"

	"basalt/arch/x86/cpu"
	"basalt/vmkernel/spin"
)

// The random source of getrandom and AT_RANDOM: a generator in the manner of the
// ChaCha20 block function (RFC 8439, 2.3) that takes a new key from each block. It is
// keyed with the jitter of the time-stamp counter and, where the processor has them,
// RDSEED and RDRAND; RDRAND goes into every block too. So an instruction that stops
// working later, or always gives the same (some processors do after a sleep), costs
// fresh entropy but no secrecy. RandomSource says whether it was there at the start.
var rng struct {
	hw    bool
	key   [8]uint32
	block uint64
}

var rngLock spin.Mutex

// RandomSource names where random numbers come from.
func RandomSource() string {
	if rng.hw {
		return "RDRAND"
	}
	return "TSC jitter (the processor has no RDRAND: keys are weaker)"
}

func seedRandom() {
	for i := 0; i < 4096; i++ {
		t := cpu.RDTSC()
		k := &rng.key[i&7]
		*k = bits.RotateLeft32(*k, 5) ^ uint32(t)*0x9e3779b1 ^ uint32(t>>32)
		rtcJitter(i)
	}
	if max, _, _, _ := cpu.CPUID(0, 0); max >= 7 {
		if _, b, _, _ := cpu.CPUID(7, 0); b&(1<<18) != 0 {
			for i := range rng.key {
				v, _ := cpu.RDSEED()
				rng.key[i] ^= uint32(v) ^ uint32(v>>32)
			}
		}
	}
	_, _, c, _ := cpu.CPUID(1, 0)
	rng.hw = c&(1<<30) != 0 && hardwareWorks()
	for i := range rng.key {
		rng.key[i] ^= uint32(random64())
	}
}

// hardwareWorks asks for some numbers: a generator that always gives the same one is
// as good as none.
func hardwareWorks() bool {
	first, ok := cpu.RDRAND()
	for i := 0; i < 16; i++ {
		if v, good := cpu.RDRAND(); good && ok && v != first {
			return true
		} else if good {
			first, ok = v, true
		}
	}
	return false
}

// rtcJitter takes a varying time.
func rtcJitter(i int) {
	for n := 0; n < i&15; n++ {
		cpu.PAUSE()
	}
}

// random64 is fresh entropy; 0 if there is none at the moment.
func random64() uint64 {
	for i := 0; rng.hw && i < 16; i++ {
		if v, ok := cpu.RDRAND(); ok {
			return v
		}
	}
	return 0
}

// fillRandom fills b, which does not fault. Interrupts are off.
func fillRandom(b []byte) {
	rngLock.Lock()
	for i := 0; i < len(b); {
		fresh := random64()
		rng.key[0] ^= uint32(fresh)
		rng.key[1] ^= uint32(fresh >> 32)
		var v [16]uint32
		chacha(&v)
		// The first half of the block is the next key, the second is output.
		copy(rng.key[:], v[:8])
		for k := 0; k < 32 && i < len(b); k++ {
			b[i] = byte(v[8+k/4] >> (8 * uint(k&3)))
			i++
		}
	}
	rngLock.Unlock()
}

func chacha(v *[16]uint32) {
	rng.block++
	t := cpu.RDTSC()
	in := [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	copy(in[4:12], rng.key[:])
	in[12], in[13], in[14], in[15] = uint32(rng.block), uint32(rng.block>>32), uint32(t), uint32(t>>32)
	*v = in
	for i := 0; i < 10; i++ {
		quarter(v, 0, 4, 8, 12)
		quarter(v, 1, 5, 9, 13)
		quarter(v, 2, 6, 10, 14)
		quarter(v, 3, 7, 11, 15)
		quarter(v, 0, 5, 10, 15)
		quarter(v, 1, 6, 11, 12)
		quarter(v, 2, 7, 8, 13)
		quarter(v, 3, 4, 9, 14)
	}
	for i := range v {
		v[i] += in[i]
	}
}

func quarter(v *[16]uint32, a, b, c, d int) {
	v[a] += v[b]
	v[d] = bits.RotateLeft32(v[d]^v[a], 16)
	v[c] += v[d]
	v[b] = bits.RotateLeft32(v[b]^v[c], 12)
	v[a] += v[b]
	v[d] = bits.RotateLeft32(v[d]^v[a], 8)
	v[c] += v[d]
	v[b] = bits.RotateLeft32(v[b]^v[c], 7)
}
