// Package gmem is the only door to a virtual machine's memory (DESIGN D7).
//
// Guest-physical memory is made of 2 MiB frames that live outside the Go heap
// and hold no Go pointers. A frame is taken when somebody, the guest or a
// device, first touches it; the whole size is reserved in a Budget before that,
// so a touch never fails for want of memory that was promised to the machine.
// Frames are zero before a guest sees them and are cleared again before they
// are given back.
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
// Locking: frames are published with an atomic store and never move until
// Close. Two processors that write the same guest bytes race as they do on
// hardware; gmem adds no lock to that.
//
// # Dirty tracking
//
// A bit for each 4 KiB page, set by every method here that writes while tracking is
// on; one pointer that is nil says that it is off, which is all that a write costs
// then. Window is the exception: what it covered counts when it is unpinned, so
// whoever keeps one for long tells MarkDirty what it wrote.
//
// What the guest writes itself is not seen here. An engine's part, which is not
// built yet, needs of vcpu.NestedTable:
//
//   - ProtectAll: take the write right from every mapping, splitting 2 MiB pages
//     first or at the fault, and return after no processor can write any more
//     (the shootdown that Unmap has). At StartDirty and at every collection, the
//     latter only for the pages that were dirty.
//   - an exit with Exit.Mem.Present and Write on a page that Memory says is RAM is
//     then not MMIO: cpuIO.Backed(gpa, true) calls MarkDirty and gives the right
//     back (Protect of 4 KiB), in this order, before the guest goes on.
//   - as a fallback-free improvement where the processor can: PML (VMX; the log is
//     emptied by MarkDirty at each exit of its kind), or Dirty bits in the nested
//     entries (EPT with A/D, NPT always), harvested by a method
//     HarvestDirty(f func(gpa, size uint64)) that clears them and shoots down.
//
// The bits here and the rights there are joined by one rule: mark first, then let
// the write happen.
//
// Not supported yet: the engines' part of dirty tracking, ballooning, sharing of frames, memory
// that is added while the machine runs.
package gmem
