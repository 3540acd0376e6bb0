package linux

import (
	"math/bits"

	"basalt/arch/x86/cpu"
)

// The random source of getrandom and AT_RANDOM: RDRAND where the processor has
// it. Without it, a generator in the manner of the ChaCha20 block function
// (RFC 8439, 2.3) keyed with the jitter of the time-stamp counter; RandomSource
// says which, so that the log can warn.
var rng struct {
	hw    bool
	key   [8]uint32
	block uint64
}

// RandomSource names where random numbers come from.
func RandomSource() string {
	if rng.hw {
		return "RDRAND"
	}
	return "TSC jitter (the processor has no RDRAND: keys are weaker)"
}

func seedRandom() {
	_, _, c, _ := cpu.CPUID(1, 0)
	rng.hw = c&(1<<30) != 0
	if rng.hw {
		if _, ok := random64(); ok {
			return
		}
		rng.hw = false
	}
	for i := 0; i < 4096; i++ {
		t := cpu.RDTSC()
		k := &rng.key[i&7]
		*k = bits.RotateLeft32(*k, 5) ^ uint32(t)*0x9e3779b1 ^ uint32(t>>32)
		rtcJitter(i)
	}
}

// rtcJitter takes a varying time.
func rtcJitter(i int) {
	for n := 0; n < i&15; n++ {
		cpu.PAUSE()
	}
}

func random64() (uint64, bool) {
	for i := 0; i < 64; i++ {
		if v, ok := cpu.RDRAND(); ok {
			return v, true
		}
	}
	return 0, false
}

func fillRandom(b []byte) {
	for i := 0; i < len(b); {
		var v [16]uint32
		if rng.hw {
			r, ok := random64()
			if !ok {
				die("RDRAND gives no numbers any more", nil)
			}
			v[0], v[1] = uint32(r), uint32(r>>32)
			for k := 0; k < 8 && i < len(b); k++ {
				b[i] = byte(v[k/4] >> (8 * uint(k&3)))
				i++
			}
			continue
		}
		chacha(&v)
		// The first half of the block is the next key, the second is output.
		copy(rng.key[:], v[:8])
		for k := 0; k < 32 && i < len(b); k++ {
			b[i] = byte(v[8+k/4] >> (8 * uint(k&3)))
			i++
		}
	}
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
