package sys

import (
	"syscall"
	"unsafe"
)

// maxRW is the most bytes that one read or write moves, as in Linux.
const maxRW = 0x7ffff000

// maxPath is PATH_MAX: a path with its terminating zero.
const maxPath = 4096

// pointer turns an argument back into the pointer that the caller converted.
func pointer(addr uintptr) unsafe.Pointer {
	// JUSTIFICATION: a system call's arguments are integers; some are addresses.
	// SAFETY: the overlay's Syscall functions make the pointed-to memory escape to
	// the heap and keep it alive for the call (go:uintptrescapes); the round trip
	// through memory only satisfies vet, nothing is kept after the call.
	return *(*unsafe.Pointer)(unsafe.Pointer(&addr))
}

// bytesAt is the caller's buffer of n bytes.
func bytesAt(addr, n uintptr) ([]byte, Errno) {
	if n == 0 {
		return nil, 0
	}
	if addr < 4096 {
		return nil, syscall.EFAULT
	}
	if n > maxRW {
		n = maxRW
	}
	// JUSTIFICATION: read and write name their buffer by address and length.
	// SAFETY: see pointer; the caller owns n bytes there, as the ABI demands.
	return unsafe.Slice((*byte)(pointer(addr)), int(n)), 0
}

// stringAt copies a C string that names a path.
func stringAt(addr uintptr) (string, Errno) {
	if addr < 4096 {
		return "", syscall.EFAULT
	}
	// JUSTIFICATION: paths are C strings.
	// SAFETY: see pointer; bytes are read up to the terminating zero only.
	p := (*byte)(pointer(addr))
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		if n++; n >= maxPath {
			return "", syscall.ENAMETOOLONG
		}
	}
	return string(unsafe.Slice(p, n)), 0
}

// at is the caller's structure of type T.
func at[T any](addr uintptr) (*T, Errno) {
	if addr < 4096 {
		return nil, syscall.EFAULT
	}
	// JUSTIFICATION: stat, msghdr and the like are passed by address.
	// SAFETY: see pointer; T is the ABI's type for this argument.
	return (*T)(pointer(addr)), 0
}

// maxVectors is IOV_MAX.
const maxVectors = 1024

// vectorsAt appends the caller's buffers to bufs.
func vectorsAt(bufs [][]byte, addr, count uintptr) ([][]byte, Errno) {
	if count > maxVectors {
		return nil, syscall.EINVAL
	}
	if count == 0 {
		return bufs, 0
	}
	if addr < 4096 {
		return nil, syscall.EFAULT
	}
	// JUSTIFICATION: readv and friends pass an array of struct iovec.
	// SAFETY: see pointer; count elements are there, as the ABI demands.
	for _, v := range unsafe.Slice((*syscall.Iovec)(pointer(addr)), int(count)) {
		if v.Len == 0 {
			continue
		}
		if v.Base == nil {
			return nil, syscall.EFAULT
		}
		if v.Len > maxRW {
			return nil, syscall.EINVAL
		}
		bufs = append(bufs, unsafe.Slice(v.Base, int(v.Len)))
	}
	return bufs, 0
}

// address is the number that the ABI uses for p.
func address(p *byte) uintptr {
	// JUSTIFICATION: struct msghdr holds pointers, bytesAt takes numbers.
	// SAFETY: used within the call that keeps the memory alive.
	return uintptr(unsafe.Pointer(p))
}

// messageVectors lists the buffers of a struct msghdr.
func messageVectors(m *syscall.Msghdr) ([][]byte, Errno) {
	// JUSTIFICATION: struct msghdr names its vectors by pointer.
	// SAFETY: used within the call that keeps the memory alive; see pointer.
	return vectorsAt(nil, uintptr(unsafe.Pointer(m.Iov)), uintptr(m.Iovlen))
}
