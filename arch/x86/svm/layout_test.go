package svm

import (
	"bytes"
	"encoding/binary"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"testing"
	"unsafe"
)

// TestAssemblyOffsets ties the #defines of the assembly to the Go structs.
func TestAssemblyOffsets(t *testing.T) {
	var f Frame
	var x ExtendedState
	want := map[string]uintptr{
		"frame_VMCB":     unsafe.Offsetof(f.VMCB),
		"frame_Host":     unsafe.Offsetof(f.Host),
		"frame_X15":      unsafe.Offsetof(f.X15),
		"frame_Mitigate": unsafe.Offsetof(f.Mitigate),
		"ext_Area":       unsafe.Offsetof(x.Area),
		"ext_HostXCR0":   unsafe.Offsetof(x.HostXCR0),
		"ext_GuestXCR0":  unsafe.Offsetof(x.GuestXCR0),
	}
	re := regexp.MustCompile(`(?m)^#define ((?:frame|ext)_\w+)\s+(0x[0-9a-fA-F]+)`)
	for _, file := range []string{"enter_amd64.s", "state_amd64.s"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range re.FindAllStringSubmatch(string(src), -1) {
			n, _ := strconv.ParseUint(m[2], 0, 64)
			if off, ok := want[m[1]]; !ok || off != uintptr(n) {
				t.Errorf("%s: %s is %#x, the struct says %#x", file, m[1], n, off)
			}
		}
	}
}

// TestExtendedStateRoundTrip runs XRSTOR and XSAVE, which user mode may execute as
// long as XCR0 does not change.
func TestExtendedStateRoundTrip(t *testing.T) {
	raw := make([]byte, 4096+64)
	area := uintptr(unsafe.Pointer(&raw[0]))
	area = (area + 63) &^ 63
	mem := raw[area-uintptr(unsafe.Pointer(&raw[0])):]
	mem[0], mem[1] = 0x7F, 0x03 // FCW
	mem[24], mem[25] = 0x80, 0x1F
	for i := range 16 {
		mem[160+15*16+i] = byte(i + 1) // XMM15
		mem[160+3*16+i] = byte(0x30 + i)
	}
	x := ExtendedState{Area: area} // FXSAVE form
	var f Frame
	LoadExtended(&x, &f)
	SaveExtended(&x, &f)
	if f.X15 != [2]uint64{0x0807060504030201, 0x100F0E0D0C0B0A09} {
		t.Errorf("XMM15 is %#x", f.X15)
	}
	for i := range 16 {
		if mem[160+15*16+i] != byte(i+1) {
			t.Fatalf("XMM15 in the area: % x", mem[160+15*16:][:16])
		}
	}
}

// TestInterruptWindowHasRoom looks at the bytes: STI, two instructions, CLI.
func TestInterruptWindowHasRoom(t *testing.T) {
	code := unsafe.Slice((*byte)(reflect.ValueOf(TakeInterrupts).UnsafePointer()), 64)
	if !bytes.Contains(code, []byte{0xFB, 0x90, 0x90, 0xFA}) {
		// The value is the wrapper for Go's calling convention: follow its CALL.
		i := bytes.IndexByte(code, 0xE8)
		rel := int32(binary.LittleEndian.Uint32(code[i+1:]))
		code = unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&code[i+5]), int(rel))), 64)
	}
	if !bytes.Contains(code, []byte{0xFB, 0x90, 0x90, 0xFA}) {
		t.Errorf("% x", code)
	}
}

// TestFillRSBKeepsTheStack runs it: nothing in it is privileged.
func TestFillRSBKeepsTheStack(t *testing.T) {
	for range 1000 {
		FillRSB()
	}
}
