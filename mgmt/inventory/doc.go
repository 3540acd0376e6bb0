// Package inventory holds the objects that people manage: virtual machines with
// their names and settings. Every face (REST, later others) works on it. World W2.
//
// A machine's settings name files of the store; the files are opened when the
// machine starts, so a new kernel under the same path is used by the next start,
// and a running machine keeps what it was started with.
//
// Disks and network adapters: the host's configuration of a machine is the truth,
// since it changes while the machine runs. What stands behind the disks is opened
// here, at each start and attach; an image belongs to one machine as long as it is
// open. MAC addresses are unique on the host, whoever chose them.
//
// Place in the data path: face -> auth -> inventory -> task -> vmkernel/host.
// Locking: Inventory.mu guards the table and is not held while the host works;
// the task manager makes actions on one machine follow each other.
package inventory
