// Package pci finds the functions on PCI and PCI Express and presents each as a
// bus.Device: configuration space, base address registers, capabilities, MSI-X,
// MSI and wired interrupts.
//
// World W2. Place in the data path: set-up only. After a driver has its windows,
// DMA memory and interrupts, packets and blocks do not pass here, except that a
// bus.Interrupt masks and unmasks its MSI-X entry.
//
// What the machine must do (map memory and ports, allocate DMA memory and
// vectors, find a wired interrupt) comes in through Platform; how configuration
// space is reached through Space (ECAM or ports). Both have doubles in the tests,
// so nothing here needs hardware.
//
// Bus numbers, bridge windows and base addresses are the firmware's and are kept:
// sizing a BAR writes back what was there, with decoding off meanwhile, and only
// when a driver asks for that BAR (a frame buffer in use is never touched). A
// bridge whose secondary bus is 0, or not behind its primary, or seen already, is
// reported in Skipped and not entered. Everything read from a device is untrusted:
// capability lists are bounded and checked for loops, MSI-X tables must lie in
// their BAR.
//
// Specifications: PCI Local Bus Specification 3.0, chapters 3 and 6;
// PCI-to-PCI Bridge Architecture Specification 1.2; PCI Express Base
// Specification 3.0, section 7.2.2.
//
// Locking: a Function is used by one driver; its methods take a mutex where
// read-modify-write sequences on configuration space need it.
//
// Not supported: assigning bus numbers or addresses, root buses other than those
// given to Enumerate (a second root needs AML's _BBN), hot plug events, SR-IOV.
//
// TamaGo's soc/intel/pci was looked at and is not used: it reads function 0 only,
// always through the ports, drops the type bits instead of sizing BARs, has no
// bridges, no bounds on capability lists, and reaches MSI-X tables through raw
// pointers.
package pci
