// Package fat writes FAT12 and FAT16 file systems: the boot partitions of
// basalt.img. World W2, build time.
//
// go-diskfs, which is a dependency already, writes FAT32 only; on partitions
// of 4 to 24 MiB that has fewer clusters than the specification allows, and
// firmware then reads it as FAT16. Hence this package: one pass, nothing but
// what boot partitions need, and the same bytes for the same input (fixed time
// stamps, serial number from the contents).
//
// Specification: "Microsoft Extensible Firmware Initiative FAT32 File System
// Specification" version 1.03 (it covers FAT12 and FAT16; section 3.5 decides
// between them by the number of clusters).
//
// Not supported: FAT32, changing or reading a file system, names outside of
// printable ASCII.
package fat
