package stub

import "encoding/binary"

// Addresses and sizes of the blob. All are physical and relative to Base.
const (
	Base      = 0x100000 // 1 MiB: where the blob is loaded
	End       = Base + 0x38000
	DirectMap = 0xffff_8000_0000_0000 // where physical address 0 appears a second time

	HeaderOff = 0x100 // the boot header
	noteOff   = 0x1c0 // the Xen note
	// UEFIEntry is where boot/uefi enters, in long mode, RSI = information.
	UEFIEntry = Base + 0x1f0
	codeOff   = 0x200
	FileSize  = 0x1000 // what is in the file; the rest is memory only

	tables    = Base + 0x1000
	stackLow  = Base + 0x8000
	StackTop  = Base + 0x18000
	infoCopy  = Base + 0x18000
	modCopy   = Base + 0x28000
	copyLimit = 0x10000 // bytes of either copy
)

// Protocols, as in RDI at the kernel's entry.
const (
	ProtocolPVH        = 1
	ProtocolMultiboot2 = 2
	ProtocolUEFI       = 3
)

// Magic opens the boot header: "BASALTBH" as a little-endian number.
const Magic = 0x48_42_54_4c_41_53_41_42

// HeaderVersion counts changes of Header's layout.
const HeaderVersion = 2

// HeaderSize is the size of the boot header in bytes.
const HeaderSize = 15 * 8

// Header is the boot header at Base+HeaderOff: little-endian 64-bit words in
// this order. All ranges are physical, [start, end), and exact to the byte.
type Header struct {
	Magic   uint64
	Version uint64
	// BlobStart and BlobEnd are the blob with tables, stack and copies.
	BlobStart, BlobEnd uint64
	// ImageStart and ImageEnd span everything that was loaded of the kernel.
	ImageStart, ImageEnd uint64
	// Text, ReadOnly and Data are the kernel's segments as loaded.
	TextStart, TextEnd         uint64
	ReadOnlyStart, ReadOnlyEnd uint64
	DataStart, DataEnd         uint64
	// BSSStart equals DataEnd. Nobody zeroed [BSSStart, BSSEnd).
	BSSEnd uint64
	// Sum is what Sum gives for the segments as they were linked.
	Sum uint64
	// Entry is the kernel's entry point.
	Entry uint64
}

// Append encodes the header.
func (h Header) Append(b []byte) []byte {
	for _, v := range [...]uint64{
		h.Magic, h.Version, h.BlobStart, h.BlobEnd, h.ImageStart, h.ImageEnd,
		h.TextStart, h.TextEnd, h.ReadOnlyStart, h.ReadOnlyEnd, h.DataStart, h.DataEnd,
		h.BSSEnd, h.Sum, h.Entry,
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// Sum adds up the segments' little-endian 64-bit words, without the last bytes of
// a segment that do not fill one. The blob compares it before it enters the kernel.
func Sum(segments ...[]byte) (sum uint64) {
	for _, b := range segments {
		for ; len(b) >= 8; b = b[8:] {
			sum += binary.LittleEndian.Uint64(b)
		}
	}
	return sum
}
