package vcpu

import (
	"fmt"
	"strconv"
	"strings"
)

// word is one register of one CPUID leaf whose bits are features.
type word uint8

const (
	w1ECX word = iota
	w1EDX
	w7EBX
	w7ECX
	w7EDX
	wD1EAX
	wExtECX  // 8000_0001
	wExtEDX  // 8000_0001
	wExt8EBX // 8000_0008
	numWords
)

// featureSet is a set of features, by word and bit.
type featureSet [numWords]uint32

// featureNames names the bits of each word as "bit:NAME", in the spelling of SDM
// Vol. 2A, CPUID, or APM Vol. 3, Appendix E where Intel has none. Every feature that
// a guest may be shown is here, and those that a level asks for without our carrying
// them.
var featureNames = [numWords]string{
	w1ECX: "0:SSE3 1:PCLMULQDQ 9:SSSE3 12:FMA 13:CMPXCHG16B 17:PCID 19:SSE4.1 20:SSE4.2 22:MOVBE 23:POPCNT 25:AES 26:XSAVE 28:AVX 29:F16C 30:RDRAND",
	w1EDX: "0:FPU 1:VME 2:DE 3:PSE 4:TSC 5:MSR 6:PAE 7:MCE 8:CMPXCHG8B 11:SEP 12:MTRR 13:PGE 14:MCA 15:CMOV 16:PAT 17:PSE-36 19:CLFLUSH 23:MMX 24:FXSR 25:SSE 26:SSE2 27:SS",
	w7EBX: "0:FSGSBASE 1:TSC_ADJUST 3:BMI1 5:AVX2 7:SMEP 8:BMI2 9:ERMS 10:INVPCID 16:AVX512F 17:AVX512DQ 18:RDSEED 19:ADX 20:SMAP 21:AVX512_IFMA 23:CLFLUSHOPT 24:CLWB 28:AVX512CD 29:SHA 30:AVX512BW 31:AVX512VL",
	w7ECX: "1:AVX512_VBMI 2:UMIP 6:AVX512_VBMI2 8:GFNI 9:VAES 10:VPCLMULQDQ 11:AVX512_VNNI 12:AVX512_BITALG 14:AVX512_VPOPCNTDQ 22:RDPID",
	w7EDX: "4:FSRM 10:MD_CLEAR 14:SERIALIZE 29:ARCH_CAPABILITIES",
	// Of IA32_XSS and XFD nothing.
	wD1EAX:   "0:XSAVEOPT 1:XSAVEC 2:XGETBV_ECX1",
	wExtECX:  "0:LAHF-SAHF 1:CMP_LEGACY 5:LZCNT 6:SSE4A 7:MISALIGNSSE 8:PREFETCHW 22:TOPOEXT",
	wExtEDX:  "11:SYSCALL 20:NX 22:MMXEXT 25:FXSR_OPT 26:PDPE1GB 27:RDTSCP 29:LM",
	wExt8EBX: "0:CLZERO 2:XSAVEERPTR",
}

// bitOf is where a named feature is; nameOf is the way back.
var (
	bitOf  = map[string]feature{}
	nameOf [numWords][32]string
)

type feature struct {
	word word
	bit  uint8
}

func init() {
	for w, list := range featureNames {
		for _, f := range strings.Fields(list) {
			bit, name, _ := strings.Cut(f, ":")
			n, err := strconv.Atoi(bit)
			if err != nil || n > 31 {
				panic("vcpu: feature table: " + f)
			}
			bitOf[name], nameOf[w][n] = feature{word(w), uint8(n)}, name
		}
	}
	for i := range levels {
		levels[i].fill()
	}
}

// featuresOf makes a set from names. The tables are constants: a name that is none
// is found by the first test that runs.
func featuresOf(names string) (s featureSet) {
	for _, n := range strings.Fields(names) {
		f, ok := bitOf[n]
		if !ok {
			panic("vcpu: no feature " + n)
		}
		s[f.word] |= 1 << f.bit
	}
	return s
}

func (s *featureSet) has(w word, n ...uint) bool { return s[w]&bits(n...) == bits(n...) }

// names lists a set in the order of the words and bits.
func (s *featureSet) names() (out []string) {
	for w, m := range s {
		for i := range 32 {
			if m>>i&1 == 0 {
				continue
			}
			n := nameOf[w][i]
			if n == "" {
				n = fmt.Sprintf("CPUID word %d bit %d", w, i)
			}
			out = append(out, n)
		}
	}
	return out
}

// without is s less t.
func (s featureSet) without(t *featureSet) featureSet {
	for i := range s {
		s[i] &^= t[i]
	}
	return s
}

func (s featureSet) with(t *featureSet) featureSet {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}
