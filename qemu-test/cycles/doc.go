// Command cycles is `make cycles`: it suspends, restores and clones a virtual machine
// again and again while its guest works, and looks for what was lost. Runs on the
// developer's computer, W2.
//
// Each cycle is one of three, in turn:
//
//   - suspend and resume: through a file, into the same machine
//   - restore: through a copy of a file, into another machine that takes the first one's
//     place; the host makes the copy in its store
//   - clone: a second machine beside the first; it must work too, and is thrown away
//
// Loads:
//
//   - micro: the guest "verify" (package guests) with two CPUs fills memory and reads it
//     back, and compares the counter with itself. Every word is accounted for. It needs
//     nothing but the host, on both engines.
//   - debian: the systemd guest of build/guests with fio --verify=crc32c on a second
//     virtio disk, a TCP connection over its adapter to this program, over which every
//     line is numbered and echoed, and a loop over four clocks; two CPUs on AMD-V, one on
//     VT-x. On AMD-V QEMU gives the
//     host the system's files, on VT-x they are in build/debian.img. Bochs boots it in
//     about six minutes; everything may take four times as long there.
//
// After each cycle it says how long that took, after the third and then every tenth
// (-audit) also what the host holds: memory of its
// own, files, machines, ports and forwards of the networks, goroutines. What one cycle
// of each kind has left is where it counts from; more than that afterwards is a leak.
//
// It ends with a table of how many cycles of each kind it did and how long they took, and
// with exit code 1 when something was lost or leaked, or when the time (-limit) was over
// before all cycles were done. Then the machines' consoles are in build/cycles/ENGINE.
// With -only the cycles are of one kind.
// What a clone's TCP connection does is not looked at: its adapter is another one.
package main
