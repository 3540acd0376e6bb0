package linux

import (
	"strings"
	"testing"
)

func TestStackOf(t *testing.T) {
	at := map[uintptr]bool{}
	for id := range uint32(maxCPUs) {
		for kind, word := range []string{"handler", "NMI", "double-fault", "machine-check"} {
			top, size := stackTop(id, kind), stackSize(kind)
			if at[top] {
				t.Fatalf("two stacks end at %#x", top)
			}
			at[top] = true
			for _, c := range []struct {
				va    uintptr
				below bool
			}{{top - 1, false}, {top - size, false}, {top - size - 1, true}, {top - stackSlot, true}} {
				name, below, ok := stackOf(c.va)
				if !ok || below != c.below || !strings.Contains(name, word) {
					t.Errorf("CPU %d, %s stack, top-%#x: %q below %v %v", id, word, top-c.va, name, below, ok)
				}
			}
		}
	}
	for _, va := range []uintptr{0, stackBase - 1, stackTop(maxCPUs-1, numStacks-1), ^uintptr(0)} {
		if name, _, ok := stackOf(va); ok {
			t.Errorf("%#x is in %q", va, name)
		}
	}
	if name, below, ok := stackOf(bootStackAt() + bootStackGuard - 1); !ok || !below || !strings.Contains(name, "start-up") {
		t.Errorf("foot of the boot stack: %q %v %v", name, below, ok)
	}
}

func TestOverflow(t *testing.T) {
	top := stackTop(1, stackHandler)
	low := top - handlerStack
	for _, c := range []struct {
		name   string
		vector uint64
		cr2    uintptr
		rsp    uintptr
		want   bool
	}{
		{"page fault below the stack", 14, low - 8, low, true},
		{"double fault below the stack", 8, low - 8, low - 8, true},
		{"page fault elsewhere", 14, 0x10, top - 64, false},
		{"an old CR2", 13, low - 8, top - 64, false},
	} {
		if _, ok := overflow(&frame{vector: c.vector, rsp: uint64(c.rsp)}, c.cr2); ok != c.want {
			t.Errorf("%s: %v", c.name, ok)
		}
	}
}
