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
	filesAt   = stateAt + stateSize
)

// ErrTooLarge is wrapped when a part does not fit its partition.
var ErrTooLarge = errors.New("image: a part does not fit")

// Types of our own partitions.
var (
	typeBank  = gpt.Named("partition type: bank")
	typeState = gpt.Named("partition type: state")
	typeFiles = gpt.Named("partition type: files")
)

// DefaultConfig is the basalt.conf of an image that is built without one.
const DefaultConfig = `# Settings of this host; docs/configuration.md explains them.
#hostname = basalt
#ip       = dhcp
#password = 
#panic    = halt
#loglevel = info
`

// filesSize is the size of the partition for an archive of n bytes, and 0 for none:
// FAT16's tables and the root directory take less than a MiB.
func filesSize(n int) int {
	if n == 0 {
		return 0
	}
	return max(2*mib+(n+n/64+mib-1)&^(mib-1), 16*mib)
}

// Build makes the disk from the bootable kernel (boot/elfpack), the UEFI
// loader (boot/uefi), the settings, GRUB, and an archive for the file store or nil.
func Build(kernel, loader, config []byte, grub *GRUB, archive []byte) ([]byte, error) {
	if len(grub.Core) > espStart-CoreStart {
		return nil, fmt.Errorf("%w: core.img has %d bytes", ErrTooLarge, len(grub.Core))
	}
	disk := make([]byte, filesAt+filesSize(len(archive))+mib)
	copy(disk, grub.Boot[:440])
	copy(disk[CoreStart:], grub.Core)
	partitions := []gpt.Partition{
		{Name: "BIOS boot", Type: gpt.BIOSBoot, Start: CoreStart, Size: espStart - CoreStart},
		{Name: "EFI system", Type: gpt.EFISystem, Start: espStart, Size: bankAt - espStart},
		{Name: "Basalt bank A", Type: typeBank, Start: bankAt, Size: bankSize},
		{Name: "Basalt bank B", Type: typeBank, Start: bankAt + bankSize, Size: bankSize},
		{Name: "Basalt state", Type: typeState, Start: stateAt, Size: stateSize},
	}
	files := map[string][]fat.File{
		"EFI system": {
			{Path: "EFI/BOOT/BOOTX64.EFI", Data: loader},
			{Path: "basalt.conf", Data: config},
			{Path: "grub/grub.cfg", Data: []byte(menu(archive != nil))},
		},
		"Basalt bank A": {{Path: "basalt.elf", Data: kernel}},
		"Basalt files":  {{Path: archiveName, Data: archive}},
	}
	labels := map[string]string{"EFI system": "BASALT", "Basalt bank A": "BASALT-A", "Basalt bank B": "BASALT-B", "Basalt files": "BASALT-F"}
	if archive != nil {
		partitions = append(partitions, gpt.Partition{Name: "Basalt files", Type: typeFiles, Start: filesAt, Size: filesSize(len(archive))})
	}
	for _, p := range partitions {
		label, has := labels[p.Name]
		if !has {
			continue // no file system
		}
		b, err := fat.Build(p.Size, label, uint32(p.Start/gpt.SectorSize), files[p.Name])
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrTooLarge, label, err)
		}
		copy(disk[p.Start:], b)
	}
	if err := gpt.Write(disk, "disk", partitions); err != nil {
		return nil, err
	}
	return disk, nil
}
