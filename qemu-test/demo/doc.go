// Command demo is `make run`: Basalt's main job from nothing to a guest's shell.
//
// It boots the host in QEMU with AMD-V emulation and the API forwarded to a free
// loopback port, fetches a Debian cloud kernel and builds a u-root initramfs
// (package artefacts, kept in build/guests), creates and starts the guest with the client
// build/basalt, and attaches the terminal to the guest's console. Ctrl-] leaves
// and ends everything.
//
// With -script the console is not attached: the guest must answer a command, for
// CI. Runs on the developer's computer; every step says what it does.
package main
