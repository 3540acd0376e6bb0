// Package balloon is the traditional virtio memory balloon: the host asks a guest
// for memory, sees its statistics and hears of free pages. World W2.
//
// # Place in the data path
//
// SetTarget -> configuration interrupt -> guest -> inflateq -> pages by frame ->
// Reclaimer. Guest -> reporting_vq -> whole frames -> Reclaimer. RequestStats ->
// statsq -> guest -> Stats.
//
// # Specification
//
// Virtual I/O Device (VIRTIO) Version 1.2, Committee Specification 01, section 5.5.
//
// # Decisions
//
//   - Guests give pages of 4 KiB, the host has frames of 2 MiB (gmem). So pages in
//     the balloon are counted by frame, a bit each, and a frame is given back when
//     the balloon has all of it. From a report only whole frames count.
//   - A frame is given back from the inflateq only if MUST_TELL_HOST was
//     negotiated: without it the guest may use a page before the device hears of
//     it (5.5.6.1), and its data would be lost.
//   - What the guest touches after that is for gmem: it takes a frame again, of the
//     memory that stays promised to the machine. So a deflation only clears bits.
//   - The buffer of statistics is kept, as 5.5.6.2 wants; when the device is paused
//     it is given back, and the driver answers with new statistics afterwards.
//   - The queue that reports free pages is number 4 of the specification; drivers
//     that count only queues that exist (Linux) use 3, or 2 without statistics. All
//     are understood, since hints of free pages are not offered.
//   - An address that is not memory, an array that is no whole number of entries,
//     one of more than 1 MiB and a buffer in the wrong direction are breaches. Pages
//     that are in the balloon already, or are not when taken out, are ignored.
//
// # Locking
//
// model.inside guards the pages. It is held while the Reclaimer works, so that no page
// leaves the balloon meanwhile, and that may take long: only the queues' goroutines wait
// for it, and who resets, saves or loads the device, when they are at rest. model.mu
// guards targets and statistics, which the guest's processors and the host look at.
//
// # Not supported
//
// FREE_PAGE_HINT, PAGE_POISON. A driver that expects freed pages to keep a value
// must not accept PAGE_REPORTING then (5.5.3.1).
package balloon
