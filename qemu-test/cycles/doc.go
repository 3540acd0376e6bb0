// Command cycles is `make cycles`: it suspends, restores and clones a virtual machine
// again and again while its guest works, and looks for what was lost. Runs on the
// developer's computer, W2.
//
// Each cycle is one of three, in turn:
//
//   - suspend and resume: through a file, into the same machine
//   - restore: through a file, into another machine that takes the first one's place
//   - clone: a second machine beside the first; it must work too, and is thrown away
//
// Loads:
//
//   - micro: the guest "verify" (package guests) with two CPUs fills memory and reads it
//     back, and compares the counter with itself. Every word is accounted for. It needs
//     nothing but the host, on both engines.
//   - debian: the systemd guest of build/guests with fio --verify=crc32c on a second
//     virtio disk, a TCP connection over its adapter to this program, over which every
//     line is numbered and echoed, and a loop over four clocks. Only on AMD-V: in a
//     Bochs it takes too long to boot.
//
// It ends with a table of what it did, and with exit code 1 when something was lost.
// What a clone's TCP connection does is not looked at: its adapter is another one.
package main
