package linux

// Park blocks the calling thread while *word is val, until Unpark(word) or until
// the TSC reaches deadline (0: for ever). It is a system call made without telling
// the runtime: call it only inside what the runtime believes is a blocking call.
//
//go:noescape
func Park(word *uint32, val uint32, deadline uint64) (expired bool)

// Unpark wakes a thread that waits for word. The caller has changed *word before.
//
//go:noescape
func Unpark(word *uint32)

// trap is a system call of this package's own, for what ordinary Go must not do
// itself: hold a spin lock while the runtime could take its processor away.
func trap(nr, a0, a1 uint64) int64

// inHandler says that a handler, or start-up, runs here: then trap must not be used.
func inHandler() bool
