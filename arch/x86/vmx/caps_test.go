package vmx

import (
	"errors"
	"testing"

	"basalt/arch/x86/reg"
)

// machine is a Machine from tables.
type machine struct {
	vmx  bool
	msrs map[uint32]uint64
}

func (m *machine) CPUID(leaf, _ uint32) (a, b, c, d uint32) {
	if leaf == 1 && m.vmx {
		c = 1 << 5
	}
	return
}

func (m *machine) RDMSR(i uint32) uint64 { return m.msrs[i] }

// haswell has the capability MSRs as a 4th-generation Core reports them (as
// Bochs's corei7_haswell_4770 does): true controls, EPT with everything.
func haswell() *machine {
	return &machine{vmx: true, msrs: map[uint32]uint64{
		uint32(reg.FEATURE_CONTROL):      5,
		reg.IA32_VMX_BASIC:               0x00d8100000000012,
		reg.IA32_VMX_TRUE_PINBASED_CTLS:  0x0000007f00000016,
		reg.IA32_VMX_TRUE_PROCBASED_CTLS: 0xfff9fffe04006172,
		reg.IA32_VMX_PROCBASED_CTLS2:     0x00007fff00000000,
		reg.IA32_VMX_TRUE_EXIT_CTLS:      0x007fffff00036dfb,
		reg.IA32_VMX_TRUE_ENTRY_CTLS:     0x0000ffff000011fb,
		reg.IA32_VMX_MISC:                0x300481e5,
		reg.IA32_VMX_EPT_VPID_CAP:        0x00000f0106334141,
		reg.IA32_VMX_CR0_FIXED0:          0x80000021,
		reg.IA32_VMX_CR0_FIXED1:          0xffffffff,
		reg.IA32_VMX_CR4_FIXED0:          0x2000,
		reg.IA32_VMX_CR4_FIXED1:          0x1727ff,
	}}
}

func TestDetectHaswell(t *testing.T) {
	c, err := Detect(haswell())
	if err != nil {
		t.Fatal(err)
	}
	if c.Revision != 0x12 || c.RegionSize != 0x1000 || c.MustUnlock || c.PreemptionShift != 5 || !c.SavesLMA {
		t.Errorf("%+v", c)
	}
	if !c.VPID() || !c.PreemptionTimer() || !c.VirtualNMIs() || !c.TPRShadow() || !c.VirtualInterrupts() || !c.EPT1G || !c.EPTAccessedDirty {
		t.Errorf("an option is missing: %+v", c)
	}
	if c.Controls.Proc&(ProcCR3LoadExiting|ProcCR3StoreExiting|ProcINVLPGExiting) != 0 {
		t.Error("CR3 or INVLPG exits although the true controls free them")
	}
	if c.Controls.Proc&(ProcCR8LoadExiting|ProcCR8StoreExiting) != 0 {
		t.Error("CR8 exits although the TPR shadow is there")
	}
	if c.Controls.Exit&ExitAcknowledgeInterrupt != 0 {
		t.Error("acknowledge on exit: the IDT must take the interrupt")
	}
	if got := c.FixCR0(0x10); got != 0x30 {
		t.Errorf("FixCR0: %#x", got)
	}
	if got := c.FixCR4(0); got != 0x2000 {
		t.Errorf("FixCR4: %#x", got)
	}
	if !c.Same(c) {
		t.Error("not the same as itself")
	}
}

func TestDetectNamesWhatIsMissing(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*machine)
		want  error
	}{
		{"no VMX", func(m *machine) { m.vmx = false }, ErrNoVMX},
		{"locked", func(m *machine) { m.msrs[uint32(reg.FEATURE_CONTROL)] = 1 }, ErrLockedOff},
		{"locked to SMX", func(m *machine) { m.msrs[uint32(reg.FEATURE_CONTROL)] = 3 }, ErrLockedOff},
		{"uncached VMCS", func(m *machine) { m.msrs[reg.IA32_VMX_BASIC] &^= 0xf << 50 }, ErrNoMemoryTypeWB},
		{"no secondary", func(m *machine) { m.msrs[reg.IA32_VMX_TRUE_PROCBASED_CTLS] &^= 1 << 63 }, ErrNoSecondaryControls},
		{"no EPT", func(m *machine) { m.msrs[reg.IA32_VMX_PROCBASED_CTLS2] &^= Proc2EnableEPT << 32 }, ErrNoEPT},
		{"no unrestricted guest", func(m *machine) { m.msrs[reg.IA32_VMX_PROCBASED_CTLS2] &^= Proc2UnrestrictedGuest << 32 }, ErrNoUnrestrictedGuest},
		{"no 4-level walk", func(m *machine) { m.msrs[reg.IA32_VMX_EPT_VPID_CAP] &^= reg.EPTVPIDCapWalk4 }, ErrNoEPTWalk4},
		{"no write-back", func(m *machine) { m.msrs[reg.IA32_VMX_EPT_VPID_CAP] &^= reg.EPTVPIDCapWB }, ErrNoEPTWriteBack},
		{"no 2 MiB", func(m *machine) { m.msrs[reg.IA32_VMX_EPT_VPID_CAP] &^= reg.EPTVPIDCap2M }, ErrNoEPT2M},
		{"no INVEPT", func(m *machine) { m.msrs[reg.IA32_VMX_EPT_VPID_CAP] &^= reg.EPTVPIDCapINVEPT }, ErrNoINVEPT},
		{"no NMI exiting", func(m *machine) { m.msrs[reg.IA32_VMX_TRUE_PINBASED_CTLS] &^= PinNMIExiting << 32 }, ErrControls},
		{"no EFER load", func(m *machine) { m.msrs[reg.IA32_VMX_TRUE_ENTRY_CTLS] &^= EntryLoadEFER << 32 }, ErrControls},
	} {
		m := haswell()
		tc.spoil(m)
		if _, err := Detect(m); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

func TestFallbacks(t *testing.T) {
	m := haswell()
	m.msrs[reg.IA32_VMX_TRUE_PINBASED_CTLS] &^= (PinPreemptionTimer | PinVirtualNMIs) << 32
	m.msrs[reg.IA32_VMX_TRUE_PROCBASED_CTLS] &^= ProcUseTPRShadow << 32
	m.msrs[reg.IA32_VMX_EPT_VPID_CAP] = reg.EPTVPIDCapWalk4 | reg.EPTVPIDCapWB | reg.EPTVPIDCap2M | reg.EPTVPIDCapINVEPT | reg.EPTVPIDCapINVEPTAll
	c, err := Detect(m)
	if err != nil {
		t.Fatal(err)
	}
	if c.VPID() || c.PreemptionTimer() || c.VirtualNMIs() || c.TPRShadow() || c.VirtualInterrupts() || c.EPT1G || c.EPTAccessedDirty || c.INVEPTSingle {
		t.Errorf("%+v", c)
	}
	if c.Controls.Proc&ProcCR8LoadExiting == 0 || c.Controls.Proc&ProcCR8StoreExiting == 0 {
		t.Error("neither TPR shadow nor CR8 exits")
	}
	if c.Controls.Proc2&(Proc2APICRegisterVirtual|Proc2VirtualizeX2APIC) != 0 {
		t.Error("APIC virtualization without TPR shadow")
	}
}

func TestUnlocked(t *testing.T) {
	m := haswell()
	m.msrs[uint32(reg.FEATURE_CONTROL)] = 0
	if c, err := Detect(m); err != nil || !c.MustUnlock {
		t.Error(c, err)
	}
}

func TestWithoutTrueControls(t *testing.T) {
	m := haswell()
	m.msrs[reg.IA32_VMX_BASIC] &^= reg.VMXBasicTrueControls
	m.msrs[reg.IA32_VMX_PINBASED_CTLS] = 0x7f00000016
	m.msrs[reg.IA32_VMX_PROCBASED_CTLS] = 0xfff9fffe0401e172
	m.msrs[reg.IA32_VMX_EXIT_CTLS] = 0x7fffff00036dff
	m.msrs[reg.IA32_VMX_ENTRY_CTLS] = 0xffff000011ff
	c, err := Detect(m)
	if err != nil {
		t.Fatal(err)
	}
	if c.Controls.Proc&ProcCR3LoadExiting == 0 {
		t.Error("a forced control was dropped")
	}
}

func TestAdjust(t *testing.T) {
	c := ControlCap{Must: 0x16, May: 0x7f}
	v, missing := c.Adjust(0x9, 0x80)
	if v != 0x1f || missing != 0 {
		t.Errorf("%#x %#x", v, missing)
	}
	if _, missing := c.Adjust(0x180, 0); missing != 0x180 {
		t.Errorf("%#x", missing)
	}
}
