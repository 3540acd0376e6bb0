// Package w1test checks on the object code that functions keep to the rules of
// world W1 (DESIGN, section 2, and D5): no XMM register but X15, no allocation, no
// write barrier. It disassembles the running test binary, starting at given
// functions and following direct calls.
//
// World W2, for tests only. Indirect calls are not followed: name their targets too.
package w1test

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/arch/x86/x86asm"
)

// Fast checks functions of the fast path and everything that they call directly.
// They must not make system calls either.
func Fast(t *testing.T, funcs ...any) { check(t, true, funcs) }

// NoAlloc checks functions that may use XMM registers but must neither allocate
// nor write Go pointers.
func NoAlloc(t *testing.T, funcs ...any) { check(t, false, funcs) }

// Whole checks that neither funcs nor what they call have a stack check in front:
// the runtime can neither grow the stack there nor run another goroutine, so a spin
// lock may be held.
func Whole(t *testing.T, funcs ...any) {
	t.Helper()
	for _, name := range stackChecks(funcs) {
		t.Error(name + " has a stack check: mark it nosplit")
	}
}

// stackChecks names the functions among funcs and their callees that can be
// preempted on entry.
func stackChecks(funcs []any) (names []string) {
	seen := map[uintptr]bool{}
	var queue []uintptr
	for _, f := range funcs {
		queue = append(queue, reflect.ValueOf(f).Pointer())
	}
	for len(queue) > 0 {
		pc := queue[0]
		queue = queue[1:]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		calls, _ := function(pc, false)
		for _, target := range calls {
			switch name := runtime.FuncForPC(target).Name(); {
			case strings.HasPrefix(name, "runtime.morestack"):
				names = append(names, runtime.FuncForPC(pc).Name())
			case !hasPrefix(name, ends):
				queue = append(queue, target)
			}
		}
	}
	return names
}

// ends are runtime functions that are not followed: they never come back, or they
// are the stack check in front of a function.
var ends = []string{"runtime.panic", "runtime.goPanic", "runtime.morestack", "runtime.throw", "runtime.fatal"}

// forbidden are runtime functions that W1 must not reach.
var forbidden = []string{
	"runtime.gcWriteBarrier", "runtime.wbMove", "runtime.wbZero", "runtime.bulkBarrier", "runtime.newobject",
	"runtime.mallocgc", "runtime.growslice", "runtime.makeslice", "runtime.map", "internal/runtime/maps.",
	"runtime.conv", "runtime.concatstring", "runtime.defer", "runtime.gopark", "runtime.chansend", "runtime.chanrecv",
}

func check(t *testing.T, noXMM bool, funcs []any) {
	t.Helper()
	if raced {
		t.Skip("the race detector's instrumentation is in the object code")
	}
	for _, v := range violations(noXMM, funcs) {
		t.Error(v)
	}
}

// violations says what is wrong with funcs and what they call.
func violations(noXMM bool, funcs []any) (bad []string) {
	seen := map[uintptr]bool{}
	var queue []uintptr
	for _, f := range funcs {
		queue = append(queue, reflect.ValueOf(f).Pointer())
	}
	for len(queue) > 0 {
		pc := queue[0]
		queue = queue[1:]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		calls, wrong := function(pc, noXMM)
		bad = append(bad, wrong...)
		for _, target := range calls {
			name := runtime.FuncForPC(target).Name()
			switch {
			case hasPrefix(name, forbidden):
				bad = append(bad, runtime.FuncForPC(pc).Name()+" calls "+name)
			case !hasPrefix(name, ends):
				queue = append(queue, target)
			}
		}
	}
	return bad
}

func hasPrefix(s string, list []string) bool {
	for _, p := range list {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// function reads one function and gives the entries that it calls or jumps to.
func function(entry uintptr, noXMM bool) (calls []uintptr, bad []string) {
	fn := runtime.FuncForPC(entry)
	for pc := entry; runtime.FuncForPC(pc) != nil && runtime.FuncForPC(pc).Entry() == fn.Entry(); {
		// JUSTIFICATION: the code that runs is the only trustworthy object code.
		// SAFETY: pc lies in a function of the text section; 15 bytes further
		// are text or the padding behind it.
		code := unsafe.Slice(*(**byte)(unsafe.Pointer(&pc)), 15)
		in, n := decode(code)
		if n == 0 {
			return calls, append(bad, fmt.Sprintf("%s+%#x: cannot decode % x", fn.Name(), pc-entry, code))
		}
		if noXMM && in.Op == x86asm.SYSCALL {
			bad = append(bad, fmt.Sprintf("%s+%#x makes a system call: its handler saves no XMM register", fn.Name(), pc-entry))
		}
		for _, a := range in.Args {
			if r, ok := a.(x86asm.Reg); ok && noXMM && r >= x86asm.X0 && r <= x86asm.X14 {
				bad = append(bad, fmt.Sprintf("%s+%#x uses %v: %v", fn.Name(), pc-entry, r, in))
			}
		}
		if rel, ok := in.Args[0].(x86asm.Rel); ok {
			target := pc + uintptr(n) + uintptr(rel)
			if f := runtime.FuncForPC(target); f != nil && f.Entry() == target && f.Entry() != fn.Entry() {
				calls = append(calls, target)
			}
		}
		pc += uintptr(n)
	}
	return calls, bad
}

// decode adds what x86asm lacks: the instructions of SVM, VMX and XSAVE. Anything
// with a VEX prefix stays unknown.
func decode(code []byte) (x86asm.Inst, int) {
	if in, err := x86asm.Decode(code, 64); err == nil {
		return in, in.Len
	}
	if code[0] == 0x0F && code[1] == 0x01 && code[2] >= 0xC0 {
		return x86asm.Inst{Len: 3}, 3
	}
	return x86asm.Inst{}, 0
}
