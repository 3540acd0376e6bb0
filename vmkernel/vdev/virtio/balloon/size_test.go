package balloon

import (
	"testing"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
)

// TestLargestState: a guest of 256 GiB with a page of every frame in the balloon, the
// longest state that there is, can be saved.
func TestLargestState(t *testing.T) {
	const size = 256 << 30
	m := &model{name: "balloon", memory: gmemtest.New(size), frames: map[uint64]*frame{}}
	for n := range uint64(size / gmem.FrameSize) {
		m.inflate(n*pagesPerFrame + n%pagesPerFrame)
	}
	b, err := m.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > checkpoint.MaxSection {
		t.Errorf("%d bytes, a section has at most %d", len(b), checkpoint.MaxSection)
	}
	n := &model{name: "balloon", memory: m.memory}
	if err := n.LoadState(b); err != nil {
		t.Fatal(err)
	}
	if n.pages.Load() != m.pages.Load() {
		t.Errorf("%d pages, %d before", n.pages.Load(), m.pages.Load())
	}
}
