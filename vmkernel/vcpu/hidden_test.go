package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// everything is a processor whose leaves 1, 7 and their like have every bit.
func everything(vendor string) vcpu.HostCPUID {
	return func(l, sub uint32) (a, b, c, d uint32) {
		const all = ^uint32(0)
		switch l {
		case 0:
			w := func(i int) uint32 {
				return uint32(vendor[i]) | uint32(vendor[i+1])<<8 | uint32(vendor[i+2])<<16 | uint32(vendor[i+3])<<24
			}
			return 0x20, w(0), w(8), w(4)
		case 1:
			return 0x906ea, 0x800, all, all
		case 6, 7, 0xa, 0x12, 0x14, 0x19, 0x1c, 0x1e, 0x80000001, 0x80000007, 0x8000000a, 0x80000021:
			return all, all, all, all
		case 0x80000008:
			return 0x3030, all, all, all
		}
		return amdHost(l, sub)
	}
}

// TestWhatWeDoNotCarryIsOutOfReach: on a processor with everything a guest is shown no
// feature, may set no bit of CR4 and reaches no register whose state no engine
// switches. Registers without a row get #GP, and their accesses exit.
func TestWhatWeDoNotCarryIsOutOfReach(t *testing.T) {
	for _, vendor := range []string{"GenuineIntel", "AuthenticAMD"} {
		r := newRig(t)
		r.v.CPUID = newCPUID(everything(vendor), vcpu.Caps{RDTSCP: true, INVPCID: true, XSAVES: true, XCR0: ^uint64(0)}, 2, 2_000_000, 1_000_000)
		ask := func(l, sub uint32) [4]uint32 {
			g := &r.e.R.GPR
			g[vcpu.RAX], g[vcpu.RCX] = uint64(l), uint64(sub)
			r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
			return [4]uint32{uint32(g[vcpu.RAX]), uint32(g[vcpu.RBX]), uint32(g[vcpu.RCX]), uint32(g[vcpu.RDX])}
		}
		for _, h := range []struct {
			leaf, sub uint32
			reg       int
			bit       uint
			name      string
		}{
			{1, 0, 2, 2, "DTES64"}, {1, 0, 2, 3, "MONITOR"}, {1, 0, 2, 5, "VMX"}, {1, 0, 2, 6, "SMX"}, {1, 0, 2, 15, "PDCM"},
			{1, 0, 3, 21, "DS"},
			{7, 0, 1, 2, "SGX"}, {7, 0, 1, 4, "HLE"}, {7, 0, 1, 11, "RTM"}, {7, 0, 1, 14, "MPX"}, {7, 0, 1, 16, "AVX512F"}, {7, 0, 1, 25, "PT"},
			{7, 0, 2, 3, "PKU"}, {7, 0, 2, 5, "WAITPKG"}, {7, 0, 2, 7, "CET_SS"}, {7, 0, 2, 13, "TME"}, {7, 0, 2, 16, "LA57"},
			{7, 0, 2, 23, "KL"}, {7, 0, 2, 24, "BUS_LOCK_DETECT"}, {7, 0, 2, 29, "ENQCMD"}, {7, 0, 2, 30, "SGX_LC"}, {7, 0, 2, 31, "PKS"},
			{7, 0, 3, 1, "SGX_KEYS"}, {7, 0, 3, 5, "UINTR"}, {7, 0, 3, 18, "PCONFIG"}, {7, 0, 3, 19, "LBR"}, {7, 0, 3, 20, "CET_IBT"},
			{7, 0, 3, 22, "AMX-BF16"}, {7, 0, 3, 24, "AMX-TILE"}, {7, 0, 3, 26, "IBRS"}, {7, 0, 3, 27, "STIBP"}, {7, 0, 3, 28, "L1D_FLUSH"},
			{7, 0, 3, 29, "ARCH_CAPABILITIES without a value"}, {7, 0, 3, 30, "CORE_CAPABILITIES"}, {7, 0, 3, 31, "SSBD"},
			{7, 1, 0, 17, "FRED"}, {7, 1, 0, 26, "LAM"}, {7, 1, 3, 18, "CET_SSS"}, {7, 2, 3, 4, "BHI_CTRL"},
			{0xa, 0, 0, 0, "performance counters"}, {0x12, 0, 0, 0, "SGX"}, {0x14, 0, 0, 0, "PT"}, {0x19, 0, 1, 0, "KL"}, {0x1c, 0, 0, 0, "LBR"},
			{0x80000001, 0, 2, 2, "SVM"}, {0x80000001, 0, 2, 10, "IBS"}, {0x80000001, 0, 2, 12, "SKINIT"}, {0x80000001, 0, 2, 23, "PERFCTR"},
			{0x80000008, 0, 1, 3, "INVLPGB"}, {0x80000008, 0, 1, 4, "RDPRU"}, {0x80000008, 0, 1, 8, "MCOMMIT"},
			{0x80000008, 0, 1, 12, "IBPB"}, {0x80000008, 0, 1, 14, "IBRS"}, {0x80000008, 0, 1, 25, "VIRT_SSBD"}, {0x80000021, 0, 0, 8, "AIBRSE"},
		} {
			if ask(h.leaf, h.sub)[h.reg]>>h.bit&1 != 0 {
				t.Errorf("%s: %s is shown", vendor, h.name)
			}
		}
		if a := ask(0xd, 1)[0]; a>>3&3 != 0 {
			t.Errorf("%s: XSAVES or XFD shown: %#x", vendor, a)
		}
		f := r.v.CPUID.Features()
		// VMXE SMXE LA57 KL PKE CET PKS UINTR LASS LAM_SUP FRED
		const never = 1<<13 | 1<<14 | 1<<12 | 1<<19 | 1<<22 | 1<<23 | 1<<24 | 1<<25 | 1<<27 | 1<<28 | 1<<32
		if f.CR4&never != 0 || f.XCR0&^7 != 0 || f.EFER&^uint64(vcpu.EFERSCE|vcpu.EFERLME|vcpu.EFERLMA|vcpu.EFERNXE|vcpu.EFERFFXSR) != 0 {
			t.Errorf("%s: CR4 %#x XCR0 %#x EFER %#x", vendor, f.CR4, f.XCR0, f.EFER)
		}
		for _, m := range []struct {
			first, last uint32
			name        string
		}{
			{0x48, 0x49, "SPEC_CTRL, PRED_CMD"}, {0x10a, 0x10b, "ARCH_CAPABILITIES, FLUSH_CMD"}, {0x122, 0x122, "TSX_CTRL"}, {0x123, 0x123, "MCU_OPT_CTRL"},
			{0x8c, 0x8f, "SGXLEPUBKEYHASH"}, {0x9b, 0x9b, "SMM_MONITOR_CTL"}, {0xcf, 0xcf, "CORE_CAPABILITIES"}, {0xe1, 0xe1, "UMWAIT_CONTROL"},
			{0x1c4, 0x1c5, "XFD, XFD_ERR"}, {0x1c8, 0x1c9, "LBR_SELECT, LBR_TOS"}, {0x2f, 0x2f, "-"}, {0x309, 0x30c, "FIXED_CTR"},
			{0x38d, 0x390, "FIXED_CTR_CTRL, PERF_GLOBAL_*"}, {0x3f1, 0x3f2, "PEBS_ENABLE, PEBS_DATA_CFG"}, {0x480, 0x493, "VMX_*"},
			{0x500, 0x500, "SGX_SVN_STATUS"}, {0x560, 0x561, "RTIT_OUTPUT_*"}, {0x570, 0x572, "RTIT_CTL, STATUS, CR3_MATCH"}, {0x580, 0x587, "RTIT_ADDR*"},
			{0x600, 0x600, "DS_AREA"}, {0x680, 0x69f, "LASTBRANCH_FROM"}, {0x6a0, 0x6a8, "CET"}, {0x6c0, 0x6df, "LASTBRANCH_TO"}, {0x6e1, 0x6e1, "PKRS"},
			{0x985, 0x98a, "UINTR_*"}, {0x990, 0x991, "COPY_STATUS, IWKEYBACKUP_STATUS"}, {0xd90, 0xd93, "BNDCFGS, COPY_*, PASID"}, {0xda0, 0xda0, "XSS"},
			{0xd91, 0xd92, "COPY_LOCAL_TO_PLATFORM"}, {0x1200, 0x121f, "LBR_INFO"}, {0x14ce, 0x14cf, "LBR_CTL, LBR_DEPTH"},
			{0xc0000104, 0xc0000104, "TSC_RATIO"}, {0xc0010117, 0xc0010118, "VM_HSAVE_PA, SVM_KEY"}, {0xc001011f, 0xc001011f, "VIRT_SPEC_CTRL"},
			{0xc0011030, 0xc001103d, "IBS"}, {0xc0010130, 0xc0010131, "SEV_ES_GHCB, SEV_STATUS"}, {0xc0010200, 0xc001020b, "PERF_CTL, PERF_CTR"},
		} {
			for i := m.first; i <= m.last; i++ {
				if _, ok := r.v.ReadMSR(i); ok {
					t.Errorf("%s: %s (%#x) can be read", vendor, m.name, i)
				}
				if r.v.WriteMSR(i, 0) {
					t.Errorf("%s: %s (%#x) can be written", vendor, m.name, i)
				}
			}
		}
	}
}

// TestArchCapabilities: the register is there exactly when CPUID says so.
func TestArchCapabilities(t *testing.T) {
	const mask = 1 << 29
	without := func(l, sub uint32) (a, b, c, d uint32) {
		if a, b, c, d = amdHost(l, sub); l == 7 {
			d &^= mask
		}
		return a, b, c, d
	}
	for _, c := range []struct {
		name string
		host vcpu.HostCPUID
		caps vcpu.Caps
		want bool
	}{
		{"both", everything("GenuineIntel"), vcpu.Caps{HasArchCap: true, ArchCap: 0x21}, true},
		{"the engine has none", everything("GenuineIntel"), vcpu.Caps{ArchCap: 0x21}, false},
		{"the processor has none", without, vcpu.Caps{HasArchCap: true, ArchCap: 0x21}, false},
	} {
		r := newRig(t)
		r.v.CPUID = newCPUID(c.host, c.caps, 1, 2_000_000, 1_000_000)
		r.e.R.GPR[vcpu.RAX], r.e.R.GPR[vcpu.RCX] = 7, 0
		r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
		shown := r.e.R.GPR[vcpu.RDX]&mask != 0
		v, ok := r.v.ReadMSR(0x10a)
		if shown != c.want || ok != c.want || ok && v != 0x21 {
			t.Errorf("%s: CPUID %v, register %#x %v", c.name, shown, v, ok)
		}
		if r.v.WriteMSR(0x10a, 0) {
			t.Errorf("%s: can be written", c.name)
		}
	}
}
