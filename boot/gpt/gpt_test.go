package gpt

import (
	"bytes"
	"errors"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	diskgpt "github.com/diskfs/go-diskfs/partition/gpt"
	"io/fs"
	"os"
)

// TestReadBack lets go-diskfs read and verify what was written.
func TestReadBack(t *testing.T) {
	disk := make([]byte, 8<<20)
	parts := []Partition{{"boot", BIOSBoot, 1 << 20, 1 << 20}, {"esp", EFISystem, 2 << 20, 4 << 20}}
	if err := Write(disk, "test", parts); err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/disk"
	if err := os.WriteFile(name, disk, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var _ fs.File = f
	table, err := diskgpt.Read(file.New(f, true), SectorSize, SectorSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Verify(file.New(f, true), uint64(len(disk))); err != nil {
		t.Error(err)
	}
	for i, p := range parts {
		got := table.Partitions[i]
		if got.Name != p.Name || int(got.Start)*SectorSize != p.Start || int(got.End+1)*SectorSize != p.Start+p.Size {
			t.Errorf("partition %d: %+v, want %+v", i, got, p)
		}
	}
	if got := string(table.Partitions[1].Type); got != "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" {
		t.Errorf("type %s", got)
	}
	again := make([]byte, len(disk))
	if err := Write(again, "test", parts); err != nil || !bytes.Equal(disk, again) {
		t.Error("two writes differ", err)
	}
}

func TestRefused(t *testing.T) {
	for _, parts := range [][]Partition{
		{{"low", EFISystem, 0, 1 << 20}},
		{{"high", EFISystem, 1 << 20, 7 << 20}},
		{{"odd", EFISystem, 1<<20 + 1, 1 << 20}},
		{{"empty", EFISystem, 1 << 20, 0}},
		{{"a", EFISystem, 1 << 20, 2 << 20}, {"b", EFISystem, 2 << 20, 1 << 20}},
	} {
		if err := Write(make([]byte, 8<<20), "x", parts); !errors.Is(err, ErrLayout) {
			t.Errorf("%v: %v", parts, err)
		}
	}
}
