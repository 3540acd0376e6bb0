package svm

import "testing"

func TestEveryExitCodeHasAName(t *testing.T) {
	for c := ExitCode(0); c <= VMEXIT_IDLE_HLT; c++ {
		if s := c.String(); s == "" {
			t.Errorf("exit code %#x has no name", uint64(c))
		}
	}
	for c, want := range map[ExitCode]string{
		VMEXIT_CR_READ + 8:          "CR8_READ",
		VMEXIT_CR_WRITE + 15:        "CR15_WRITE",
		VMEXIT_DR_WRITE + 7:         "DR7_WRITE",
		VMEXIT_EXCP + 14:            "EXCP14",
		VMEXIT_HLT:                  "HLT",
		VMEXIT_SHUTDOWN:             "SHUTDOWN",
		VMEXIT_EFER_WRITE_TRAP:      "EFER_WRITE_TRAP",
		VMEXIT_CR_WRITE_TRAP + 4:    "CR4_WRITE_TRAP",
		VMEXIT_CR_WRITE_TRAP + 0x0F: "CR15_WRITE_TRAP",
		VMEXIT_INVLPGB:              "INVLPGB",
		VMEXIT_IDLE_HLT:             "IDLE_HLT",
		VMEXIT_NPF:                  "NPF",
		VMEXIT_INVALID:              "INVALID",
		0xFFFFFFFF:                  "INVALID",
		0x500:                       "exit code 0x500",
	} {
		if c.String() != want {
			t.Errorf("%#x is %q, want %q", uint64(c), c, want)
		}
	}
}

func TestIOIOInfo(t *testing.T) {
	// IN AL, 21h; OUT DX, EAX; REP INSW
	for _, c := range []struct {
		raw          IOIOInfo
		port         uint16
		size         uint8
		in, str, rep bool
		addrSize     uint8
	}{
		{0x0021_0011, 0x21, 1, true, false, false, 0},
		{0x0CF8_0140, 0xCF8, 4, false, false, false, 4},
		{0x01F0_012D | 1<<9&^(1<<8), 0x1F0, 2, true, true, true, 8 | 4},
	} {
		i := c.raw
		if i.Port() != c.port || i.Size() != c.size || i.In() != c.in || i.StringOp() != c.str || i.Rep() != c.rep {
			t.Errorf("%#x: port %#x size %d in %v string %v rep %v", uint64(i), i.Port(), i.Size(), i.In(), i.StringOp(), i.Rep())
		}
	}
}

func TestEventInfoRoundTrip(t *testing.T) {
	e := MakeEvent(13, EventException, true, 0x1234)
	if !e.Valid() || e.Vector() != 13 || e.Type() != EventException || !e.HasError() || e.Error() != 0x1234 {
		t.Errorf("%#x", uint64(e))
	}
	if uint64(e) != 0x1234_8000_0B0D {
		t.Errorf("EVENTINJ is %#x", uint64(e))
	}
	if e := MakeEvent(0x31, EventINTR, false, 7); uint64(e) != 0x8000_0031 {
		t.Errorf("EVENTINJ is %#x", uint64(e))
	}
}

func TestNPFInfo(t *testing.T) {
	n := NPFInfo(1<<32 | 2 | 4)
	if n.Present() || !n.Write() || n.Fetch() || !n.Final() || n.PageWalk() || n.Reserved() {
		t.Errorf("%#x decodes wrongly", uint64(n))
	}
}
