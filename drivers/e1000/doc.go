// Package e1000 drives Intel's 82540EM (and the 82545EM, alike for software) and
// the 82574L, as real parts and as QEMU and Bochs emulate them.
//
// World W2. Place in the data path: drivers/nic above, rings in DMA memory below.
//
// One driver for two generations: registers, legacy descriptors, rings and the
// order of set-up are the same. What differs is a row of variants: where EERD
// keeps its fields, quiescing PCIe before reset, TXDCTL, and MSI-X with its vector
// assignment (IVAR), which only the 82574 has. With three vectors receive, transmit
// and everything else are separate; with one, ICR tells them apart.
//
// Frames are copied between the caller and fixed 2 KiB buffers. The receive filter
// is open (promiscuous): the ports behind a virtual switch have addresses of their
// own. No checksum or segmentation offload, no VLAN stripping.
//
// What the device writes is untrusted: only the status, length and error bytes of
// a descriptor are believed, after checks; buffer addresses are rewritten each
// time, and head registers are never read. A frame that does not fit one buffer is
// dropped and counted.
//
// Locking: see drivers/nic. Receive state belongs to rxMu, transmit state to txMu;
// registers that both need are write-one (IMS, IMC).
//
// Specifications: see drivers/spec/e1000. Not supported: jumbo frames, multiple
// queues, wake on LAN, flow control, fibre.
package e1000
