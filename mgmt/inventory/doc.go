// Package inventory holds the objects that people manage: virtual machines with
// their names and settings. Every face (REST, later others) works on it. World W2.
//
// A machine's settings name files of the store; the files are opened when the
// machine starts, so a new kernel under the same path is used by the next start,
// and a running machine keeps what it was started with.
//
// Place in the data path: face -> auth -> inventory -> task -> vmkernel/host.
// Locking: Inventory.mu guards the table and is not held while the host works;
// the task manager makes actions on one machine follow each other.
package inventory
