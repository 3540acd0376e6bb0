// Package lapic is the local APIC of one virtual CPU, in xAPIC and x2APIC mode,
// and the Set of all of them, which routes interrupt messages.
//
// World W1 and W2: nothing here allocates, takes a lock, blocks, panics or
// stores a pointer after New, except SaveState and LoadState (W2).
//
// # Threads
//
// Two groups of methods, and each method's comment names its group:
//
//   - any thread: Accept, Post, LINT0, LINT1, Deliver, Set.Signal. They only
//     use atomic words: IRR and TMR bits are posted, events are OR-ed, then the
//     target is kicked when the bit is new.
//   - owner: everything else. Called on the virtual CPU's own thread only
//     (exits, Pending and Ack before an entry, Expire after the deadline).
//
// # Time
//
// There is no Go timer. The owner gives the guest's TSC as now to every method
// that needs it, and asks Deadline for the guest TSC value at which Expire must
// be called. A periodic timer that missed periods raises one interrupt and
// keeps its phase.
//
// # Place in the data path
//
// device -> ioapic or MSI -> Set.Signal -> APIC.Accept -> Kicker.Kick; run loop:
// Expire, TakeEvents, Pending -> inject -> Ack; exit -> EOI, ICR, TPR, deadline.
// Where the processor delivers by itself: Expire, TakeEvents, Lend -> entry; exit ->
// Reclaim, Ended, ICR, TPR, deadline.
//
// # Specifications
//
// SDM Vol. 3A, chapter 11, "Advanced Programmable Interrupt Controller"
// (edition 083 of March 2024; chapter 10 up to edition 076): 11.4 registers and
// base MSR, 11.5 LVT and timer, 11.6 ICR and destinations, 11.8 priorities,
// 11.9 spurious, 11.11 MSI, 11.12 x2APIC. The 15-bit destination of MSI is the
// KVM extension KVM_FEATURE_MSI_EXT_DEST_ID.
//
// # Wide IDs
//
// IDs of 255 and more (NewSpread) are for x2APIC mode, in which whoever boots such a
// machine without firmware has to put all its APICs (11.12.8.1). In xAPIC mode an APIC
// with such an ID shows the low 8 bits and takes physical broadcasts only.
//
// # Not supported, on purpose
//
// Arbitration priority (reads 0), remote read, CMCI, focus processor checking,
// level-triggered LINT pins with remote IRR. A page that the base MSR moves is for the
// owner to find.
package lapic
