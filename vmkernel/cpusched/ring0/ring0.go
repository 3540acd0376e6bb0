// Package ring0 lets the personality's scheduler execute the policy of cpusched: it
// gives linux.Policy its functions and virtual machines their part of the host's
// processors (vm.CPUScheduler). Only the kernel's main imports it.
//
// World: the functions behind linux.Policy are W1 and run under the personality's
// lock; the rest is W2. Names of threads and IDs of the policy are kept in two tables
// without pointers.
//
// Decisions: the agent, which is every thread but those that run guests, is a group on
// each processor, because one that is busy elsewhere must not wait here for it (see
// cpusched, not supported). Each has 4000 shares and a reservation of a tenth of its
// processor, on a host of one or two a quarter of one in all: the API answers whatever
// guests do, and three quarters of the smallest host can be promised. A machine has 1000 shares for each virtual CPU
// unless it says otherwise.
//
// Which groups there are, and their names, is package groups.
//
// Locking: mu guards which thread runs which virtual CPU, and is taken before the lock of
// groups.Table, which serialises what changes the tree; the changes themselves are made
// in linux.Exclusively, one at a time.
package ring0
