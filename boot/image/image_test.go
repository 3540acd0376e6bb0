package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
)

func fakeGRUB() ([]byte, []byte) {
	boot := make([]byte, 512)
	binary.LittleEndian.PutUint64(boot[0x5c:], 1)
	boot[0x66], boot[0x67] = 0xeb, 0x05
	boot[510], boot[511] = 0x55, 0xaa
	return boot, bytes.Repeat([]byte{0x90}, 3000)
}

// TestPatch: where GRUB's two parts look for what follows them.
func TestPatch(t *testing.T) {
	boot, core := fakeGRUB()
	g, err := patch(boot, core, CoreStart)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if got := le.Uint64(g.Boot[0x5c:]); got != CoreStart/512 {
		t.Errorf("boot.img continues at sector %d", got)
	}
	if start, n := le.Uint64(g.Core[500:]), le.Uint16(g.Core[508:]); start != CoreStart/512+1 || int(n) != len(g.Core)/512-1 {
		t.Errorf("core.img continues at sector %d with %d sectors", start, n)
	}
	if len(g.Core)%512 != 0 || boot[0x66] != 0xeb {
		t.Error("core.img is not whole sectors, or the input was changed")
	}
	if _, err := patch(boot[:100], core, 0); !errors.Is(err, ErrGRUB) {
		t.Error(err)
	}
	boot[0x5c] = 7
	if _, err := patch(boot, core, 0); !errors.Is(err, ErrGRUB) {
		t.Error(err)
	}
}

func TestBuild(t *testing.T) {
	boot, core := fakeGRUB()
	g, err := patch(boot, core, CoreStart)
	if err != nil {
		t.Fatal(err)
	}
	kernel := bytes.Repeat([]byte("kernel"), 1<<20)
	a, err := Build(kernel, []byte("MZ"), []byte("hostname=x\n"), g, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Build(kernel, []byte("MZ"), []byte("hostname=x\n"), g, nil)
	if !bytes.Equal(a, b) {
		t.Error("two builds differ")
	}
	if len(a) > 64<<20 {
		t.Errorf("%d bytes", len(a))
	}
	if !bytes.Equal(a[:440], g.Boot[:440]) || !bytes.Equal(a[CoreStart:CoreStart+len(g.Core)], g.Core) {
		t.Error("GRUB is not where it belongs")
	}
	if !bytes.Contains(a[bankAt:bankAt+bankSize], kernel[:2048]) {
		t.Error("no kernel in bank A")
	}
	if _, err := Build(make([]byte, bankSize), nil, nil, g, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("kernel larger than a bank: %v", err)
	}
	g.Core = make([]byte, 2<<20)
	if _, err := Build(nil, nil, nil, g, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("core.img larger than its partition: %v", err)
	}
}

// TestFiles: the archive has a partition of its own behind everything else, and
// the menu knows it; nothing before it moves.
func TestFiles(t *testing.T) {
	boot, core := fakeGRUB()
	g, err := patch(boot, core, CoreStart)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Build([]byte("kernel"), nil, nil, g, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(plain) != filesAt+mib || bytes.Contains(plain, []byte(archiveName)) {
		t.Errorf("an image without files has %d bytes, or names the archive", len(plain))
	}
	for _, size := range []int{1, 40 << 20} {
		archive := bytes.Repeat([]byte("070701"), size/6+1)
		disk, err := Build([]byte("kernel"), nil, nil, g, archive)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(disk[bankAt:filesAt], plain[bankAt:filesAt]) {
			t.Error("the banks or the state differ")
		}
		if !bytes.Contains(disk[filesAt:], archive[:min(size, 2048)]) || len(disk)-size > 90<<20 {
			t.Errorf("%d bytes: no archive in the files partition of a disk of %d bytes", size, len(disk))
		}
		if n := strings.Count(menu(true), "module2 ($disk,gpt6)/files.cpio files.cpio"); n != 2 {
			t.Errorf("the menu has %d lines for the archive", n)
		}
	}
}

// TestInstalledGRUB runs the real tool where it is installed.
func TestInstalledGRUB(t *testing.T) {
	if _, err := os.Stat(GRUBDir); err != nil {
		t.Skip("grub-pc-bin is not installed")
	}
	a, err := MakeGRUB(GRUBDir, CoreStart)
	if err != nil {
		t.Fatal(err)
	}
	b, err := MakeGRUB(GRUBDir, CoreStart)
	if err != nil || !bytes.Equal(a.Core, b.Core) || !bytes.Equal(a.Boot, b.Boot) {
		t.Errorf("two builds of core.img differ: %v", err)
	}
	if _, err := MakeGRUB(t.TempDir(), CoreStart); !errors.Is(err, ErrGRUB) {
		t.Errorf("no GRUB: %v", err)
	}
}
