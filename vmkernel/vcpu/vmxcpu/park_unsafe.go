package vmxcpu

import "unsafe"

// word is kicked as the plain word on which the personality sleeps.
func (e *Engine) word() *uint32 {
	// JUSTIFICATION: the personality's park works on a word of memory, like a
	// futex; atomic.Uint32 has no way to name its word.
	// SAFETY: atomic.Uint32 is one uint32 (its size is checked by a test); the
	// personality only loads it atomically.
	return (*uint32)(unsafe.Pointer(&e.kicked))
}

func (e *Engine) unpark() { e.host.Unpark(e.word()) }
