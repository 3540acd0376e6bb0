// Command follow is booted in ring 0 in place of the VMkernel and copies the memory of a
// guest while it runs, as a migration does: first everything, then, again and again, what
// was written meanwhile, and at the end what was written since, with the guest paused. The
// copy has to be the guest's memory, to the byte.
//
// It does so with what the processor notes in the nested table (Dirty bits of nested
// paging, accessed and dirty flags of EPT) and with the right to write taken away, and
// says what either costs in exits. The guest, "verify" of package guests, writes all the
// time and compares what it wrote.
//
// World W2. The last line is "follow: PASS" or says what was wrong.
package main
