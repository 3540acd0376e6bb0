// Command demo is `make run`: Basalt's main job from nothing to a guest's shell.
//
// It boots the host in QEMU with AMD-V emulation and the API forwarded to a free
// loopback port, fetches a Debian cloud kernel and builds a u-root initramfs
// (package artefacts, kept in build/guests), creates and starts the guest with the client
// build/basalt, and attaches the terminal to the guest's console. Ctrl-] leaves
// and ends everything. The guest has an adapter on the NAT network; a loopback port
// leads to port 2222 of the host and from there, by a port forward of the machine, to
// the guest's SSH server, whose keys are made for this run.
//
// With -script the console is not attached: the guest must answer a command there and
// over SSH, for CI. Runs on the developer's computer; every step says what it does.
package main
