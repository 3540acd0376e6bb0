// Command nics is booted in ring 0 in place of the VMkernel: it lists the PCI
// functions, opens every network device, asks the gateway of the emulator's user
// network (10.0.2.2) for its address by ARP, sends a DHCP discover, and then counts
// round trips of pings made by hand. What it prints is what the cases look for.
//
// World W2. Arguments behind "--" on the kernel's command line: -pings N.
package main
