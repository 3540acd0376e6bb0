// Package screen puts characters on whatever screen the loader left: a linear
// framebuffer or VGA text mode. To its users it is a grid of cells.
//
// World W1: nothing here allocates or stores a pointer except Attach, which is
// W2. The purple screen draws through it when the runtime is dead; the console
// page draws through it in ordinary times. There is no lock: its two users
// arrange who owns the screen (vmkernel/panicscreen takes it and never gives it
// back).
//
// The memory of the screen is reached through Memory only, which has exact-width
// stores and no loads: reading video memory is slow, and nothing here needs it.
//
// Colours are a small palette of our own. A framebuffer shows them as they are,
// text mode by the nearest of VGA's sixteen.
//
// Specifications: UEFI 2.10, section 12.9 (GOP) and Multiboot2 Specification
// 2.0, section 3.6.12 for the framebuffer as boot/info describes it; IBM VGA
// text mode (character and attribute bytes from 0xb8000).
//
// Not supported: characters other than printable ASCII (they become '?'),
// pixels of other sizes than 16, 24 and 32 bits, setting video modes.
package screen
