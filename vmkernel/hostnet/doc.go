// Package hostnet makes packages os and net work in the running kernel: it puts the
// file system and the TCP/IP stack behind vmkernel/sys, puts every network device
// behind a virtual switch of its own and attaches the stack to those. World W2; it is
// linked into the kernel and nowhere else.
//
// Networks is the real host.Networks: what machines' adapters can be on, with port
// forwards to guests of the NAT network, which are open on every address of the host
// (who reaches the management address reaches those guests: that is the policy), and
// captures of ports, each with at most 1 MiB that waits for its reader. A capture ends
// with its context, its port or its writer's error; a writer that blocks for ever holds
// it for ever, so the API's has a deadline.
//
// Place in the data path: none after Start, but for a capture's copies. See
// vmkernel/netstack for packets and vmkernel/vfs for files.
package hostnet
