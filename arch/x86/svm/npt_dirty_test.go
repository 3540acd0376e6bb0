package svm

import (
	"errors"
	"slices"
	"testing"
)

// touch is a processor's write: it sets Dirty in the leaf.
func (m *memFrames) touch(n *NPT, gpa uint64) {
	for pa, level := n.Root(), 3; ; level-- {
		e := &m.Table(pa)[index(gpa, level)]
		if level == 0 || *e&NPTLarge != 0 {
			*e |= NPTDirty
			return
		}
		pa = *e & nptAddr
	}
}

func TestDirtyBits(t *testing.T) {
	const M = 1 << 20
	f := newFrames(1000)
	n, flushes := newTestNPT(t, f)
	if err := n.Map(0, 64*M, 4*M, Read|Write|Exec); err != nil {
		t.Fatal(err)
	}
	var got []uint64
	collect := func(want ...uint64) {
		t.Helper()
		got = nil
		before := *flushes
		if err := n.CollectDirty(0, 1<<30, func(gpa, size uint64) { got = append(got, gpa, size) }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%#x, want %#x", got, want)
		}
		if (*flushes > before) != (len(want) > 0) {
			t.Errorf("%d flushes for %d pages", *flushes-before, len(want)/2)
		}
	}
	if err := n.StartDirty(0, 1<<30); err != nil || *flushes != 1 {
		t.Fatalf("%v, %d flushes", err, *flushes)
	}
	if _, r, size, _ := n.Lookup(2*M + 5); size != 4096 || r != Read|Write|Exec {
		t.Errorf("rights %d, page of %#x", r, size)
	}
	collect()
	f.touch(n, 0x3001)
	f.touch(n, 2*M)
	collect(0x3000, 4096, 2*M, 4096)
	collect()
	// What comes meanwhile counts as written, whole, and once.
	if err := n.Map(4*M, 80*M, 2*M, Read|Write); err != nil {
		t.Fatal(err)
	}
	collect(4*M, 2*M)
	collect()
	f.touch(n, 4*M+0x5000)
	collect(4*M+0x5000, 4096)
	// At the end everything is large again.
	if err := n.Protect(0, 4*M, Read|Write|Exec); err != nil {
		t.Fatal(err)
	}
	if _, _, size, _ := n.Lookup(2*M + 5); size != 2*M {
		t.Errorf("page of %#x at the end", size)
	}
	n.Close()
	if len(f.tabs) != 0 {
		t.Errorf("%d tables are left", len(f.tabs))
	}
}

// TestDirtyBitsWithoutFrames: what cannot be split is still found the next time.
func TestDirtyBitsWithoutFrames(t *testing.T) {
	f := newFrames(1000)
	n, _ := newTestNPT(t, f)
	if err := n.Map(0, 2<<30, 1<<30, Read|Write); err != nil {
		t.Fatal(err)
	}
	f.limit = len(f.tabs) + 3
	if err := n.StartDirty(0, 1<<30); !errors.Is(err, ErrNoFrames) {
		t.Fatal(err)
	}
	f.limit = 1000
	var bytes uint64
	if err := n.CollectDirty(0, 1<<30, func(_, size uint64) { bytes += size }); err != nil || bytes != 1<<30-2*2<<20 {
		t.Errorf("%v, %#x bytes", err, bytes)
	}
}
