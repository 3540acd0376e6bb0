package fat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func testFiles() []File {
	big := make([]byte, 300_001)
	for i := range big {
		big[i] = byte(i * 7 >> 3)
	}
	fs := []File{{"basalt.elf", big}, {"EFI/BOOT/BOOTX64.EFI", []byte("MZ...")}, {"basalt.conf", []byte("hostname=x\n")}, {"grub/grub.cfg", []byte("menu\n")}, {"empty", nil}}
	for i := range 100 {
		fs = append(fs, File{fmt.Sprintf("many/a rather long file name, number %d.text", i), []byte{byte(i)}})
	}
	return fs
}

// TestReadBack lets mtools read what was written.
func TestReadBack(t *testing.T) {
	if _, err := exec.LookPath("mcopy"); err != nil {
		t.Skip("mtools is not installed")
	}
	for _, size := range []int{2 << 20, 4 << 20, 24 << 20, 200 << 20} {
		img, err := Build(size, "BASALT", 0, testFiles())
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		disk := filepath.Join(dir, "disk")
		if err := os.WriteFile(disk, img, 0o644); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "out")
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatal(err)
		}
		if msg, err := exec.Command("mcopy", "-s", "-i", disk, "::*", out).CombinedOutput(); err != nil {
			t.Fatalf("%d MiB: %v\n%s", size>>20, err, msg)
		}
		for _, f := range testFiles() {
			got, err := os.ReadFile(filepath.Join(out, f.Path))
			if err != nil || !bytes.Equal(got, f.Data) {
				t.Errorf("%d MiB: %s: %d bytes, %v", size>>20, f.Path, len(got), err)
			}
		}
		if path, err := exec.LookPath("fsck.fat"); err == nil {
			if msg, err := exec.Command(path, "-n", disk).CombinedOutput(); err != nil {
				t.Errorf("%d MiB: %v\n%s", size>>20, err, msg)
			}
		}
	}
}

// TestKind: section 3.5 of the specification decides by the number of clusters.
func TestKind(t *testing.T) {
	for size, want := range map[int]string{1 << 20: "FAT12   ", 2 << 20: "FAT12   ", 4 << 20: "FAT16   ", 24 << 20: "FAT16   "} {
		img, err := Build(size, "X", 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		le := binary.LittleEndian
		data := size/512 - int(le.Uint16(img[14:])) - 2*int(le.Uint16(img[22:])) - int(le.Uint16(img[17:]))*32/512
		clusters := data / int(img[13])
		if got := string(img[54:62]); got != want || (clusters >= 4085) != (got == "FAT16   ") {
			t.Errorf("%d bytes: %q with %d clusters", size, got, clusters)
		}
	}
}

func TestSameBytes(t *testing.T) {
	a, _ := Build(4<<20, "X", 0, testFiles())
	reversed := testFiles()
	for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
		reversed[i], reversed[j] = reversed[j], reversed[i]
	}
	b, _ := Build(4<<20, "X", 0, reversed)
	if !bytes.Equal(a, b) {
		t.Error("the order of the files matters")
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		size  int
		files []File
		want  error
	}{
		{1 << 20, []File{{"big", make([]byte, 1<<20)}}, ErrFull},
		{0, nil, ErrGeometry},
		{513, nil, ErrGeometry},
		{8 << 30, nil, ErrGeometry},
		{1 << 20, []File{{"a:b", nil}}, ErrName},
		{1 << 20, []File{{"a//b", nil}}, ErrName},
		{1 << 20, []File{{"../b", nil}}, ErrName},
		{1 << 20, []File{{"a", nil}, {"A", nil}}, ErrName},
		{1 << 20, []File{{"a", nil}, {"a/b", nil}}, ErrName},
		{1 << 20, []File{{strings.Repeat("x", 256), nil}}, ErrName},
	} {
		if _, err := Build(tt.size, "X", 0, tt.files); !errors.Is(err, tt.want) {
			t.Errorf("%d bytes, %d files: %v, want %v", tt.size, len(tt.files), err, tt.want)
		}
	}
}
