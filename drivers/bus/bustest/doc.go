// Package bustest is a machine made of ordinary memory for testing host drivers:
// DMA memory with bus addresses, a device with configuration space and BARs,
// interrupts that a test can raise, lose or storm. Emulated chips (for example
// drivers/e1000/e1000test) plug into it.
//
// World W2, tests only. Locking: Memory and Interrupt each have a mutex that is
// never held across a call into driver or device code; accessors of one Memory
// order what driver and device do, as the bus does.
package bustest
