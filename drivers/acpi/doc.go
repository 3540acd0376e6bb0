// Package acpi reads the tables that firmware left in memory: RSDP, RSDT/XSDT,
// MADT (processors, interrupt controllers), MCFG (ECAM windows), FADT (power
// management registers, reset) and HPET. AML is not interpreted.
//
// World: usable from W1 and W2. Nothing here allocates, blocks, panics or keeps a
// pointer; results are plain values of fixed size, errors are constants, and the
// package imports nothing that is not free of unsafe. So the personality can find
// its processors before the runtime exists.
//
// Input is untrusted: every length, count and checksum is checked against what is
// really there, work is bounded by MaxTables and by the size of each table, and
// what does not fit a fixed array is counted in Dropped. Memory is reached only
// through the Memory interface.
//
// Specification: Advanced Configuration and Power Interface Specification,
// release 6.5, sections 5.2.5 (RSDP), 5.2.6 (header), 5.2.7 (RSDT), 5.2.8 (XSDT),
// 5.2.9 (FADT), 5.2.12 (MADT); PCI Firmware Specification, revision 3.3, section
// 4.1.2 (MCFG); IA-PC HPET Specification, revision 1.0a, section 3.2.4.
//
// Not supported: AML (so neither _PRT, _S5 nor _BBN), NUMA tables.
package acpi
