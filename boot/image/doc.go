// Package image puts basalt.img together. World W2, build time; no root, no
// loop mounts.
//
// # The disk
//
//	part                     size     contents
//	-                        1 MiB    GRUB's boot.img in the MBR, GPT
//	1 BIOS boot              1 MiB    GRUB's core.img with everything it needs built in
//	2 EFI system (FAT)       4 MiB    /EFI/BOOT/BOOTX64.EFI, /basalt.conf, /grub/grub.cfg
//	3 bank A (FAT)          24 MiB    /basalt.elf
//	4 bank B (FAT)          24 MiB    reserved for the other version
//	5 state                  8 MiB    reserved
//	6 files (FAT)            as large as needed, only if the image brings files: /files.cpio
//	-                        1 MiB    GPT copy
//
// One disk boots three ways from the same kernel file: BIOS code in the MBR
// loads core.img, whose menu loads the kernel by multiboot2 and hands
// basalt.conf on as a module; UEFI starts BOOTX64.EFI (boot/uefi), which finds
// both itself. GRUB also hands /files.cpio on, as the module after basalt.conf: a
// cpio archive (boot/cpio) whose files the host puts into its file store.
//
// GRUB comes from the installed packages (grub-common's grub-mkimage and
// grub-pc-bin's modules); what grub-bios-setup would patch into boot.img and
// core.img on a mounted system is patched here (grub.go).
//
// Everything is a function of the inputs: the same kernel, settings and GRUB
// give the same bytes.
//
// Not supported: the files partition when UEFI boots the disk (boot/uefi reads the
// kernel and the settings only); archives over 2 GiB less a few MiB (FAT16), which
// have to fit below 4 GiB together with the kernel; roll-back between the banks (the menu only tries B when A has
// no kernel), compression.
package image
