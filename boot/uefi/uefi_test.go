package uefi

import (
	"bytes"
	"debug/pe"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/listing.txt")

// TestListing holds the loader to its reviewed listing (go test -update writes it).
func TestListing(t *testing.T) {
	got, err := program().Listing()
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

func TestPE(t *testing.T) {
	b, err := Build()
	if err != nil {
		t.Fatal(err)
	}
	f, err := pe.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	h := f.OptionalHeader.(*pe.OptionalHeader64)
	if f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 || h.Subsystem != 10 {
		t.Errorf("machine %#x, subsystem %d", f.Machine, h.Subsystem)
	}
	end := h.SizeOfHeaders
	for _, s := range f.Sections {
		if s.VirtualAddress%h.SectionAlignment != 0 || s.VirtualAddress < end {
			t.Errorf("section %s at %#x, the one before ends at %#x", s.Name, s.VirtualAddress, end)
		}
		end = s.VirtualAddress + s.VirtualSize
		if s.Characteristics&0x20000000 != 0 && s.Characteristics&0x80000000 != 0 {
			t.Errorf("section %s is writable and executable", s.Name)
		}
	}
	if h.SizeOfImage < end || h.AddressOfEntryPoint < h.BaseOfCode {
		t.Errorf("image of %#x bytes, sections end at %#x, entry %#x", h.SizeOfImage, end, h.AddressOfEntryPoint)
	}
	again, _ := Build()
	if !bytes.Equal(b, again) {
		t.Error("two builds differ")
	}
}
