// Package pipe joins two netio.Links in memory, as a cable with a small queue at
// each end would: what one end sends the other receives.
//
// World W2. Place in the data path: in tests it stands where a NIC and the wire
// behind it would (emulated devices take an End as their wire); inside the host
// it connects two parts that both speak netio.
//
// Contract beyond netio.Link: all frame memory is allocated by New and nothing
// per packet. An End that is closed takes the carrier away from the other, whose
// frames are then dropped and counted; what was queued before stays readable.
// Unplug and Remove exist for tests of the layers above.
//
// Locking: each direction has one mutex, held only for copying one batch; no
// call is made while it is held.
package pipe
