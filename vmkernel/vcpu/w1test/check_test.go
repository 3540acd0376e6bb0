package w1test

import (
	"strings"
	"syscall"
	"testing"
)

type big struct{ a [6]uint64 }

type node struct{ next *node }

var (
	from, to big
	list     node
	sink     any
)

//go:noinline
func copies() { to = from; to.a[0]++ }

//go:noinline
func callsCopies() { copies() }

//go:noinline
func writesPointer(n *node) { list.next = n }

//go:noinline
func allocates() { sink = new([100]int) }

//go:noinline
func plain(p *uint64) uint64 { *p++; return *p }

//go:noinline
func float(x float64) float64 { return x * 2 }

func TestCheckFindsWhatItLooksFor(t *testing.T) {
	for _, c := range []struct {
		name  string
		f     any
		noXMM bool
		want  string
	}{
		{"plain", plain, true, ""},
		{"struct copy", copies, true, "uses X"},
		{"struct copy in a callee", callsCopies, true, "copies+"},
		{"struct copy where XMM is allowed", copies, false, ""},
		{"pointer write", writesPointer, false, "gcWriteBarrier"},
		{"allocation", allocates, false, "newobject"},
		{"float", float, true, "uses X0"},
		{"system call", syscall.RawSyscall, true, "system call"},
	} {
		got := strings.Join(violations(c.noXMM, []any{c.f}), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

//go:noinline
func grows(n int) int { return plainInt(n) + 1 }

//go:noinline
func plainInt(n int) int {
	var a [4096]byte
	a[n&4095] = 1
	return int(a[0])
}

//go:nosplit
//go:noinline
func wholeCaller(p *uint64) uint64 { return plain(p) }

func TestWholeFindsStackChecks(t *testing.T) {
	if got := stackChecks([]any{grows}); len(got) != 2 {
		t.Errorf("grows: %v, want itself and what it calls", got)
	}
	if got := stackChecks([]any{wholeCaller}); len(got) != 0 {
		t.Errorf("wholeCaller: %v", got)
	}
}
