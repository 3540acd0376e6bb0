package image

import (
	"errors"
	"fmt"

	"basalt/boot/fat"
	"basalt/boot/gpt"
)

// Sizes of the parts in bytes.
const (
	mib = 1 << 20
	// CoreStart is where core.img lies.
	CoreStart = mib
	espStart  = 2 * mib
	bankAt    = 6 * mib
	bankSize  = 24 * mib
	stateAt   = bankAt + 2*bankSize
	stateSize = 8 * mib
	diskSize  = stateAt + stateSize + mib
)

// ErrTooLarge is wrapped when a part does not fit its partition.
var ErrTooLarge = errors.New("image: a part does not fit")

// Types of our own partitions.
var (
	typeBank  = gpt.Named("partition type: bank")
	typeState = gpt.Named("partition type: state")
)

// DefaultConfig is the basalt.conf of an image that is built without one.
const DefaultConfig = `# Settings of this host; docs/configuration.md explains them.
#hostname = basalt
#ip       = dhcp
#password = 
#panic    = halt
#loglevel = info
`

// Build makes the disk from the bootable kernel (boot/elfpack), the UEFI
// loader (boot/uefi), the settings and GRUB.
func Build(kernel, loader, config []byte, grub *GRUB) ([]byte, error) {
	if len(grub.Core) > espStart-CoreStart {
		return nil, fmt.Errorf("%w: core.img has %d bytes", ErrTooLarge, len(grub.Core))
	}
	disk := make([]byte, diskSize)
	copy(disk, grub.Boot[:440])
	copy(disk[CoreStart:], grub.Core)
	for _, p := range []struct {
		start, size int
		label       string
		files       []fat.File
	}{
		{espStart, bankAt - espStart, "BASALT", []fat.File{
			{Path: "EFI/BOOT/BOOTX64.EFI", Data: loader},
			{Path: "basalt.conf", Data: config},
			{Path: "grub/grub.cfg", Data: []byte(menu)},
		}},
		{bankAt, bankSize, "BASALT-A", []fat.File{{Path: "basalt.elf", Data: kernel}}},
		{bankAt + bankSize, bankSize, "BASALT-B", nil},
	} {
		b, err := fat.Build(p.size, p.label, uint32(p.start/gpt.SectorSize), p.files)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrTooLarge, p.label, err)
		}
		copy(disk[p.start:], b)
	}
	err := gpt.Write(disk, "disk", []gpt.Partition{
		{Name: "BIOS boot", Type: gpt.BIOSBoot, Start: CoreStart, Size: espStart - CoreStart},
		{Name: "EFI system", Type: gpt.EFISystem, Start: espStart, Size: bankAt - espStart},
		{Name: "Basalt bank A", Type: typeBank, Start: bankAt, Size: bankSize},
		{Name: "Basalt bank B", Type: typeBank, Start: bankAt + bankSize, Size: bankSize},
		{Name: "Basalt state", Type: typeState, Start: stateAt, Size: stateSize},
	})
	if err != nil {
		return nil, err
	}
	return disk, nil
}
