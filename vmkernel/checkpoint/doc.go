// Package checkpoint is the format of a saved virtual machine: what a suspend
// writes to a file, and what a clone, a snapshot or a migration streams. World W2.
//
// Two layers:
//
//   - codec.go: one section's fields (Encoder, Decoder). A section is one device's
//     or processor's state: a version, then fields of fixed width in little-endian
//     order, in the order in which its state.go writes them.
//   - the container: Writer and Reader over io.Writer and io.Reader. They never
//     seek, so a pipe or a connection does as well as a file.
//
// # Data path
//
// vm.Save -> Writer -> file or connection -> Reader -> vm.Restore -> a board that
// nobody sees yet.
//
// # Stream, format version 1
//
// All numbers are little-endian.
//
//	magic    8 bytes "\x89Basalt\n", then the format version, 2 bytes, and 2 zero bytes
//	records  any number; the first is the header
//	end      the last record; nothing follows it
//
// A record is
//
//	kind     1 byte: 1 header, 2 section, 3 memory, 255 end
//	flags    1 byte: bit 0 optional (a reader that does not know it may skip it)
//	name     2 bytes: length of the name, at most 64
//	length   8 bytes: length of the payload
//	check    4 bytes: CRC-32C of the 12 bytes before and the name
//	name     bytes of a-z 0-9 . - _ /
//	payload
//	check    4 bytes: CRC-32C of the payload
//
// The payload of a memory record is the guest-physical address of a 2 MiB frame
// (8 bytes), a bitmap of its 4 KiB pages (64 bytes) and the pages whose bits are
// set, in order. Pages of zeros are left out; so are frames that nobody touched.
// The payload of the end is the number of records before it, the number of bytes
// before it (8 bytes each) and the CRC-32C of those bytes without the payloads, whose
// own checksums are among them: a stream that was cut, or put together from two, is
// found even where every record is whole.
//
// # Trust
//
// A stream comes from outside and is hostile. A length is a claim: it is refused
// beyond the limit of its kind, and memory is taken only as bytes arrive. A header
// that claims 100 GB of guest memory costs its own few hundred bytes; whether the
// machine may be so large is decided from Header before anything is taken. The
// checksums are against accidents, not against people.
//
// The rule of loading: nothing that was read acts before Next has returned io.EOF,
// which says that the end record was right. Until then everything goes into a
// machine that is not visible and does not run; on any error it is thrown away.
//
// # Versions
//
// Any version that was ever on main still loads: of the container (testdata here)
// and of each section (NewDecoder takes every version up to the newest). A
// newer one is refused, and so is a section that is mandatory and unknown, by name.
//
// Decisions: CRC-32C because the processor has an instruction for it; a library for
// compression would cost more image than it saves here, and zero pages are what a
// fresh guest is made of. One frame is buffered, so that a page is handed out only
// after its checksum was right.
//
// Not supported: compression, encryption, signatures.
package checkpoint
