// Package hostnet makes packages os and net work in the running kernel: it puts the
// file system and the TCP/IP stack behind vmkernel/sys, puts every network device
// behind a virtual switch of its own and attaches the stack to those. World W2, set-up only; it is linked into the kernel and nowhere else.
//
// Place in the data path: none after Start. See vmkernel/netstack for packets and
// vmkernel/vfs for files.
package hostnet
