package io

// In8 reads a byte from an I/O port.
func In8(port uint16) uint8

// In16 reads a word from an I/O port.
func In16(port uint16) uint16

// In32 reads a doubleword from an I/O port.
func In32(port uint16) uint32

// Out8 writes a byte to an I/O port.
func Out8(port uint16, v uint8)

// Out16 writes a word to an I/O port.
func Out16(port uint16, v uint16)

// Out32 writes a doubleword to an I/O port.
func Out32(port uint16, v uint32)

// Load8 reads one byte at addr.
func Load8(addr uintptr) uint8

// Load16 reads two bytes at addr.
func Load16(addr uintptr) uint16

// Load32 reads four bytes at addr.
func Load32(addr uintptr) uint32

// Load64 reads eight bytes at addr.
func Load64(addr uintptr) uint64

// Store8 writes one byte at addr.
func Store8(addr uintptr, v uint8)

// Store16 writes two bytes at addr.
func Store16(addr uintptr, v uint16)

// Store32 writes four bytes at addr.
func Store32(addr uintptr, v uint32)

// Store64 writes eight bytes at addr.
func Store64(addr uintptr, v uint64)

// Barrier orders every earlier load and store before every later one (MFENCE).
func Barrier()
