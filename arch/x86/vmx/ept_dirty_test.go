package vmx

import (
	"errors"
	"slices"
	"testing"
)

// touch is a processor's write: it sets the dirty flag in the leaf.
func touch(e *EPT, gpa uint64) {
	tab, level := e.find(gpa)
	amend(tab, index(gpa, level), func(x Entry) Entry { return x | EPTAccessed | EPTDirty })
}

func TestDirtyFlags(t *testing.T) {
	const M = 1 << 20
	e, h := newTestEPT(t, -1)
	if _, err := e.Map(0, 64*M, 4*M, rwxWB); err != nil {
		t.Fatal(err)
	}
	collect := func(want ...uint64) {
		t.Helper()
		var got []uint64
		flush, err := e.CollectDirty(0, 1<<30, func(gpa, size uint64) { got = append(got, gpa/size) })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("pages %#x, %v, want %#x", got, err, want)
		}
		if flush != (len(want) > 0) {
			t.Errorf("flush %v for %d pages", flush, len(want))
		}
	}
	touch(e, 0x3000) // before: nothing of the past counts
	if flush, err := e.StartDirty(0, 1<<30); err != nil || !flush {
		t.Fatalf("%v %v", flush, err)
	}
	if _, x, size, _ := e.Lookup(2*M + 5); size != 4096 || x&(EPTRights|EPTDirty) != EPTRights {
		t.Errorf("entry %#x, page of %#x", x, size)
	}
	collect()
	touch(e, 0x3001)
	touch(e, 2*M)
	collect(3, 512)
	collect()
	// A page that comes meanwhile is large until it is looked at.
	if _, err := e.Map(4*M, 80*M, 2*M, rwxWB); err != nil {
		t.Fatal(err)
	}
	touch(e, 4*M+0x5000)
	var whole []uint64
	for i := range uint64(512) {
		whole = append(whole, 1024+i)
	}
	collect(whole...)
	touch(e, 4*M+0x5000)
	collect(1024 + 5)
	// At the end everything is large again, and no flag is lost.
	touch(e, 2*M+0x7000)
	if flush, err := e.Protect(0, 6*M, EPTRights); err != nil || !flush {
		t.Fatalf("%v %v", flush, err)
	}
	for _, gpa := range []uint64{0, 2 * M, 4 * M} {
		if hpa, x, size, _ := e.Lookup(gpa + 5); size != 2*M || x&EPTDirty == 0 || hpa&0xfff != 5 {
			t.Errorf("%#x: entry %#x, page of %#x, at %#x", gpa, x, size, hpa)
		}
	}
	e.Free()
	if len(h.tabs) != 0 {
		t.Errorf("%d tables are left", len(h.tabs))
	}
}

// TestDirtyFlagsWithoutFrames: what cannot be split is still found the next time.
func TestDirtyFlagsWithoutFrames(t *testing.T) {
	e, h := newTestEPT(t, -1)
	if _, err := e.Map(0, 2<<30, 1<<30, rwxWB); err != nil {
		t.Fatal(err)
	}
	touch(e, 0)
	h.left = 3
	if _, err := e.StartDirty(0, 1<<30); !errors.Is(err, ErrNoFrame) {
		t.Fatal(err)
	}
	h.left = -1
	pages := 0
	if _, err := e.CollectDirty(0, 1<<30, func(_, _ uint64) { pages++ }); err != nil || pages != (1<<30-2*2<<20)>>12 {
		t.Errorf("%v, %d pages", err, pages)
	}
}

// TestProtectMerges: not what only looks like one page.
func TestProtectMerges(t *testing.T) {
	const M = 1 << 20
	e, _ := newTestEPT(t, -1)
	for gpa := uint64(0); gpa < 4*M; gpa += 4096 {
		hpa := 64*M + gpa
		if gpa == 3*M {
			hpa = 8 * M // not next to the others
		}
		if _, err := e.Map(gpa, hpa, 4096, rwxWB); err != nil {
			t.Fatal(err)
		}
	}
	tables := e.Tables()
	if flush, err := e.Protect(0, 4*M-4096, EPTRead); err != nil || !flush {
		t.Fatalf("%v %v", flush, err)
	}
	e.Reclaim()
	for gpa, want := range map[uint64]uint64{0: 2 * M, 2 * M: 4096, 4*M - 4096: 4096} {
		if _, _, size, ok := e.Lookup(gpa); !ok || size != want {
			t.Errorf("%#x: page of %#x", gpa, size)
		}
	}
	if e.Tables() != tables-1 {
		t.Errorf("%d tables of %d", e.Tables(), tables)
	}
}
