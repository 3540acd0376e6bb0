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
// Suspended machines (suspend.go). The host knows nothing of them: there the machine is
// off. What is suspended is here: the name of the state's file, and a hold on it and on
// the images of the disks, taken before the machine lets them go. The order of a suspend
// is: write while it is paused, give the file its name, hold, stop; until the stop there
// is a way back, and behind it the state is whole. Going on removes the file once the
// guest runs: a second time it would find other disks.
//
// Copies (clone.go). A clone's state goes through a pipe from one machine to the other,
// so it takes no memory; the images are copied between the end of the save and the end
// of the original's pause, when its devices are at rest. A guest's driver reads an
// adapter's MAC address once, so another address in the configuration space would not
// be used and two machines would have one: the adapters of a copy are restored without
// a network; it runs, its guest is asked to let them go, or else sees them pulled out, and
// new ones are plugged into other slots.
// A state file brings a configuration from outside: it is checked as a person's is, and
// an address or image of another machine's is refused.
//
// Resource pools (pool.go) are the host's, which knows only the machines that run in
// them. Those that are off are counted here, from before the host is asked to put them
// there, so that a pool cannot go while one names it.
//
// Not supported: suspending machines with ram disks, whose content is in no file; a
// clone that shares its images copy-on-write.
//
// Place in the data path: face -> auth -> inventory -> task -> vmkernel/host.
// Locking: Inventory.mu guards the table and is not held while the host works;
// the task manager makes actions on one machine follow each other.
package inventory
