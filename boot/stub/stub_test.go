package stub

import (
	"encoding/binary"
	"flag"
	"os"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

var update = flag.Bool("update", false, "write testdata/listing.txt")

var testHeader = Header{ImageStart: 0x1000000, ImageEnd: 0x1800000, TextStart: 0x1000000, TextEnd: 0x1400000,
	ReadOnlyStart: 0x1400000, ReadOnlyEnd: 0x1700000, DataStart: 0x1700000, DataEnd: 0x1800000, BSSEnd: 0x4000000, Entry: 0x1061f80}

// TestListing holds the blob to its reviewed listing (go test -update writes it).
func TestListing(t *testing.T) {
	b, err := Build(testHeader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Code.Listing()
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/listing.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the code differs from %s; look at it, then run go test -update:\n%s", file, got)
	}
}

// TestSharedRoutine decodes the page-table code in both modes: it runs in both.
func TestSharedRoutine(t *testing.T) {
	b, err := Build(testHeader)
	if err != nil {
		t.Fatal(err)
	}
	from, _ := b.Code.Offset("pagetables")
	to, _ := b.Code.Offset("uefi")
	for off := from; off < to; {
		i32, err32 := x86asm.Decode(b.Bytes[off:to], 32)
		i64, err64 := x86asm.Decode(b.Bytes[off:to], 64)
		if err32 != nil || err64 != nil || i32.Op != i64.Op || i32.Len != i64.Len {
			t.Fatalf("offset %#x: %v in mode 32, %v in mode 64", off, i32, i64)
		}
		off += i32.Len
	}
}

func TestHeaders(t *testing.T) {
	b, err := Build(testHeader)
	if err != nil {
		t.Fatal(err)
	}
	word := func(off int) uint64 { return binary.LittleEndian.Uint64(b.Bytes[off:]) }
	if word(HeaderOff) != Magic || word(HeaderOff+8) != HeaderVersion || word(HeaderOff+HeaderSize-8) != testHeader.Entry {
		t.Errorf("boot header % x", b.Bytes[HeaderOff:HeaderOff+HeaderSize])
	}
	if string(b.Bytes[HeaderOff:HeaderOff+8]) != "BASALTBH" {
		t.Error("magic does not spell BASALTBH")
	}
	// Multiboot2 Specification 2.0, section 3.1.2: the four words sum to zero.
	var sum uint32
	for i := range 4 {
		sum += binary.LittleEndian.Uint32(b.Bytes[4*i:])
	}
	if sum != 0 {
		t.Errorf("multiboot2 header sums to %#x", sum)
	}
	// The tags fill the header's length exactly and end with the end tag.
	length := int(binary.LittleEndian.Uint32(b.Bytes[8:]))
	off, ended := 16, false
	for off < length {
		kind, size := binary.LittleEndian.Uint16(b.Bytes[off:]), int(binary.LittleEndian.Uint32(b.Bytes[off+4:]))
		if kind == 3 && uint64(binary.LittleEndian.Uint32(b.Bytes[off+8:])) != b.MultibootEntry {
			t.Error("wrong entry address tag")
		}
		off += (size + 7) &^ 7
		ended = kind == 0
	}
	if off != length || !ended {
		t.Errorf("tags end at %d of %d", off, length)
	}
	if got := word(int(b.NoteOff) + 16); got != b.PVHEntry {
		t.Errorf("note says %#x, entry is %#x", got, b.PVHEntry)
	}
}
