// Package gpt writes a GUID partition table around given partitions. World W2,
// build time.
//
// All GUIDs are derived from names (RFC 9562, section 5.5), so the same layout
// gives the same bytes; the images of two builds have the same disk GUID.
//
// Specification: UEFI 2.10, section 5 "GUID Partition Table (GPT) Disk Layout".
//
// Not supported: sectors other than 512 bytes, reading tables.
package gpt
