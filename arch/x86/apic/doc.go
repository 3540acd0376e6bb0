// Package apic drives the processor's own local APIC: identity, end of interrupt,
// interprocessor interrupts and the timer, in x2APIC mode where the processor has
// it and in xAPIC mode otherwise.
//
// World W1: no allocation; each processor touches only its own local APIC.
//
// Specifications: Intel SDM Vol. 3A, chapter 11 "APIC" (edition 086); AMD APM
// Vol. 2, chapter 16 (3.41).
package apic
