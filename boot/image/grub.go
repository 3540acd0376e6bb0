package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrGRUB is wrapped when the installed GRUB cannot be used.
var ErrGRUB = errors.New("image: GRUB's parts for BIOS")

// GRUBDir is where Debian's grub-pc-bin puts GRUB for BIOS machines.
const GRUBDir = "/usr/lib/grub/i386-pc"

// modules are built into core.img: nothing is loaded from a disk but the menu,
// the kernel and the settings.
var modules = strings.Fields("biosdisk part_gpt fat normal multiboot2 serial terminal regexp test echo configfile sleep reboot halt minicmd keystatus")

// archiveName is the file of the files partition.
const archiveName = "files.cpio"

// bringArchive is the menu's line for an image with a files partition.
const bringArchive = "\tif [ -f ($disk,gpt6)/" + archiveName + " ]; then module2 ($disk,gpt6)/" + archiveName + " " + archiveName + "; fi\n"

// menu is /grub/grub.cfg, with the archive for the file store if there is one.
func menu(archive bool) string {
	if !archive {
		return plainMenu
	}
	return strings.ReplaceAll(plainMenu, "}\n", bringArchive+"}\n")
}

// plainMenu: $root is the EFI system partition on the disk that the BIOS booted from.
const plainMenu = `# Basalt's boot menu for BIOS machines. Settings belong into /basalt.conf.
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
# Shift while the machine starts shows this menu.
set timeout=0
if keystatus --shift; then set timeout=-1; fi
set default=0
set fallback=1
set esp="$root"
regexp --set=1:disk '^([^,]*),' "$root"
menuentry "Basalt" {
	multiboot2 ($disk,gpt3)/basalt.elf
	if [ -f ($esp)/basalt.conf ]; then module2 ($esp)/basalt.conf basalt.conf; fi
}
menuentry "Basalt (bank B)" {
	multiboot2 ($disk,gpt4)/basalt.elf
	if [ -f ($esp)/basalt.conf ]; then module2 ($esp)/basalt.conf basalt.conf; fi
}
`

// GRUB is GRUB's two parts, ready for a disk.
type GRUB struct {
	Boot []byte // 512 bytes for sector 0
	Core []byte // whole sectors, for the BIOS boot partition
}

// MakeGRUB builds core.img with the grub-mkimage in PATH and patches both
// parts for a core.img that lies in one piece from byte coreAt of the disk on.
func MakeGRUB(dir string, coreAt int) (*GRUB, error) {
	boot, err := os.ReadFile(filepath.Join(dir, "boot.img"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w (package grub-pc-bin)", ErrGRUB, err)
	}
	tmp, err := os.MkdirTemp("", "basalt-grub-")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGRUB, err)
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "core.img")
	args := append([]string{"-O", "i386-pc", "-d", dir, "-p", "(,gpt2)/grub", "-o", out}, modules...)
	if msg, err := exec.Command("grub-mkimage", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: grub-mkimage (package grub-common): %w: %s", ErrGRUB, err, msg)
	}
	core, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGRUB, err)
	}
	return patch(boot, core, coreAt)
}

// patch does what GRUB's own setup tool does. The offsets are those of GRUB's
// include/grub/i386/pc/boot.h, interface version 4.0.
func patch(boot, core []byte, coreAt int) (*GRUB, error) {
	const (
		kernelSector = 0x5c // 8 bytes: first sector of core.img
		driveCheck   = 0x66 // a jump over a check that some BIOSes need
		sector       = 512
		firstList    = sector - 12 // in core.img's first sector: start (8), count (2), segment (2)
	)
	if len(boot) != sector || len(core) < 2*sector || boot[510] != 0x55 || boot[511] != 0xaa {
		return nil, fmt.Errorf("%w: boot.img has %d bytes, core.img %d", ErrGRUB, len(boot), len(core))
	}
	le := binary.LittleEndian
	if le.Uint64(boot[kernelSector:]) != 1 {
		return nil, fmt.Errorf("%w: boot.img does not have the expected layout", ErrGRUB)
	}
	boot, core = append([]byte(nil), boot...), append([]byte(nil), core...)
	for len(core)%sector != 0 {
		core = append(core, 0)
	}
	le.PutUint64(boot[kernelSector:], uint64(coreAt/sector))
	boot[driveCheck], boot[driveCheck+1] = 0x90, 0x90
	le.PutUint64(core[firstList:], uint64(coreAt/sector+1))
	le.PutUint16(core[firstList+8:], uint16(len(core)/sector-1))
	return &GRUB{Boot: boot, Core: core}, nil
}
