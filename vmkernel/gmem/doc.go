// Package gmem is the only door to a virtual machine's memory (DESIGN D7).
//
// Guest-physical memory is made of 2 MiB frames that live outside the Go heap
// and hold no Go pointers. A frame is taken when somebody, the guest or a
// device, first touches it; the whole size is reserved in a Budget before that,
// so a touch never fails for want of memory that was promised to the machine. The
// budget counts what is promised, and of that what has its frames, because the rest is
// free as the host's allocator sees it and must not be given to anybody else: whoever
// takes frames for something large beside machines (files) reserves them in it too.
// Frames are zero before a guest sees them. They go back as they are: whoever takes
// one of the host's frames gets it cleared, so clearing them here would only make the
// end of a machine twice as long.
//
// Every access is bounded and returns an outcome: an address that is not memory
// gives ErrNotMemory (or ok == false), never a panic. What is read is a copy;
// code that parses guest data copies first and checks the copy.
//
// World: W2. The accessors Load8 to Store64, Copy-free and without allocation
// on frames that are present, are also safe in W1; a frame that is absent makes
// them report false there and the caller leaves to ordinary Go.
//
// Place in the data path: vcpu and devices -> gmem -> frames of pmem through
// the direct map. The engine's nested tables map the same frames.
//
// Memory can grow while the machine runs (Grow): the list of regions is replaced, and
// what was there stays where it is.
//
// A GiB that is wholly memory gets frames that are next to each other in the host, if
// there are (run.go): so that one entry of a nested table can map it in the end.
//
// Locking: frames are published with an atomic store and never move until
// Close. Two processors that write the same guest bytes race as they do on
// hardware; gmem adds no lock to that.
//
// Each access counts itself in its frame while it lasts, so that Reclaim can give a
// frame back under a machine that runs: it makes the frame absent, waits for the
// accesses in progress, and then has it alone. Windows are counted apart; a frame with
// one stays. Frame and Frames give the bytes without this: their callers keep Reclaim
// off. The budget keeps what was reclaimed: it is promised still.
//
// # Dirty tracking
//
// A bit for each 4 KiB page, set by every method here that writes while tracking is
// on; one pointer that is nil says that it is off, which is all that a write costs
// then. Window is the exception: what it covered counts when it is unpinned, so
// whoever keeps one for long tells MarkDirty what it wrote.
//
// What the guest writes itself is not seen here. Where the processor notes it, in the
// Dirty bits of nested paging or the dirty flags of EPT, the machine collects the notes
// and passes them to MarkDirty. Elsewhere it takes the right to write from every nested
// mapping and gives it back by the page, at the fault, after MarkDirty (vm/dirty.go and
// vm/mapping.go). PML (VMX), which would spare the search through the table, is not built.
//
// The bits here and the rights there are joined by one rule: mark first, then let
// the write happen.
//
// Not supported yet: sharing of frames, memory that is taken away from a machine.
package gmem
