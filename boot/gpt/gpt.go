package gpt

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unicode/utf16"
)

// SectorSize is the only sector size.
const SectorSize = 512

// Reserved is what the table takes at each end of the disk, in bytes (the
// front has the protective MBR besides).
const Reserved = (1 + tableSectors) * SectorSize

const (
	entries      = 128
	entrySize    = 128
	tableSectors = entries * entrySize / SectorSize
	headerSize   = 92
	firstUsable  = 2 + tableSectors
)

// ErrLayout is wrapped when the partitions do not fit the disk.
var ErrLayout = errors.New("gpt: unsuitable layout")

// GUID is a GUID as it stands on the disk.
type GUID [16]byte

// Parse reads the text form "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"; it panics
// on anything else, since GUIDs are constants of programs.
func Parse(s string) GUID {
	var d1 uint32
	var d2, d3 uint16
	var d4 [8]byte
	n, err := fmt.Sscanf(s, "%08X-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X", &d1, &d2, &d3,
		&d4[0], &d4[1], &d4[2], &d4[3], &d4[4], &d4[5], &d4[6], &d4[7])
	if n != 11 || err != nil {
		panic("gpt: bad GUID " + s)
	}
	var g GUID
	binary.LittleEndian.PutUint32(g[0:], d1)
	binary.LittleEndian.PutUint16(g[4:], d2)
	binary.LittleEndian.PutUint16(g[6:], d3)
	copy(g[8:], d4[:])
	return g
}

// Named derives a GUID from a name (version 5).
func Named(name string) GUID {
	h := sha1.Sum([]byte("basalt\x00" + name))
	h[6] = h[6]&0x0f | 0x50
	h[8] = h[8]&0x3f | 0x80
	// The hash is in network order; a GUID on disk has its first three fields
	// in little-endian order.
	h[0], h[1], h[2], h[3] = h[3], h[2], h[1], h[0]
	h[4], h[5], h[6], h[7] = h[5], h[4], h[7], h[6]
	return GUID(h[:16])
}

// Types of partitions.
var (
	EFISystem = Parse("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
	BIOSBoot  = Parse("21686148-6449-6E6F-744E-656564454649")
)

// Partition is one partition. Start and Size are bytes.
type Partition struct {
	Name        string // at most 36 characters
	Type        GUID
	Start, Size int
}

// Write puts protective MBR and both tables into disk, whose contents in the
// partitions and in the first 440 bytes it leaves alone. Partition n of the
// slice becomes number n+1.
func Write(disk []byte, name string, parts []Partition) error {
	sectors := len(disk) / SectorSize
	if len(disk)%SectorSize != 0 || sectors < 2*firstUsable || len(parts) > entries {
		return fmt.Errorf("%w: %d bytes, %d partitions", ErrLayout, len(disk), len(parts))
	}
	lastUsable := sectors - tableSectors - 2
	table := make([]byte, entries*entrySize)
	le := binary.LittleEndian
	end := firstUsable
	for i, p := range parts {
		first, n := p.Start/SectorSize, p.Size/SectorSize
		if p.Start%SectorSize != 0 || p.Size%SectorSize != 0 || n <= 0 || first < end || first+n-1 > lastUsable || len(p.Name) > 36 {
			return fmt.Errorf("%w: partition %q at %d, %d bytes", ErrLayout, p.Name, p.Start, p.Size)
		}
		end = first + n
		e := table[i*entrySize:]
		unique := Named(name + "\x00" + p.Name)
		copy(e[0:], p.Type[:])
		copy(e[16:], unique[:])
		le.PutUint64(e[32:], uint64(first))
		le.PutUint64(e[40:], uint64(end-1))
		for j, c := range utf16.Encode([]rune(p.Name)) {
			le.PutUint16(e[56+2*j:], c)
		}
	}
	header := func(at, other, tableAt int) {
		h := disk[at*SectorSize : (at+1)*SectorSize]
		clear(h)
		copy(h, "EFI PART")
		le.PutUint32(h[8:], 0x10000)
		le.PutUint32(h[12:], headerSize)
		le.PutUint64(h[24:], uint64(at))
		le.PutUint64(h[32:], uint64(other))
		le.PutUint64(h[40:], firstUsable)
		le.PutUint64(h[48:], uint64(lastUsable))
		guid := Named(name)
		copy(h[56:], guid[:])
		le.PutUint64(h[72:], uint64(tableAt))
		le.PutUint32(h[80:], entries)
		le.PutUint32(h[84:], entrySize)
		le.PutUint32(h[88:], crc32.ChecksumIEEE(table))
		le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:headerSize]))
		copy(disk[tableAt*SectorSize:], table)
	}
	header(1, sectors-1, 2)
	header(sectors-1, 1, lastUsable+1)
	protective(disk[:SectorSize], sectors)
	return nil
}

// protective writes the MBR's partition table: one entry of type 0xee over the
// whole disk. Section 5.2.3.
func protective(mbr []byte, sectors int) {
	clear(mbr[440:])
	e := mbr[446:]
	copy(e[1:], []byte{0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff})
	binary.LittleEndian.PutUint32(e[8:], 1)
	binary.LittleEndian.PutUint32(e[12:], uint32(min(sectors-1, 1<<32-1)))
	mbr[510], mbr[511] = 0x55, 0xaa
}
