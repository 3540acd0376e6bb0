// Package vswitch is the virtual switch of a host: Ethernet ports for virtual
// network devices, for the host's own TCP/IP and for its NICs. World W2.
//
// # Place in the data path
//
// Virtio-net queue goroutine -> Sender.Send (a batch) -> header copied and checked
// -> port security, VLAN, FDB -> Receiver.Deliver of each target (a batch) -> the
// one copy, from the sender's guest memory into the receiver's buffers. The whole
// way runs on the sender's goroutine. A Link is a port that speaks netio.Link, for
// the host's stack or a gateway (package nat); an uplink joins a NIC's netio.Link.
//
// # Specifications
//
// IEEE 802.3-2022 clause 3 (frames), IEEE 802.1Q-2022 clauses 6.9 and 9 (tags,
// priority tags), 8.6 (forwarding, reserved addresses), 8.8 (filtering database,
// ageing); RFC 9293, RFC 791, RFC 8200 and RFC 1071 for software segmentation;
// VIRTIO 1.2 section 5.1.6 for what the offload fields mean. Capture files are
// those of draft-ietf-opsawg-pcap.
//
// # Decisions
//
//   - The first MaxHead bytes of a frame are copied once, and all decisions are
//     taken, and all receivers served, from that copy: a guest that rewrites its
//     buffer meanwhile changes its payload and nothing else. The body is looked at
//     only to sum it, where a receiver cannot.
//   - Big TCP segments and unfinished checksums cross the switch as they are
//     between ports that take them. For a port that does not, they are cut and
//     summed on the way: segments are new headers over the same body, not copies.
//   - A receiver that is full loses frames, counted at its port. Nobody waits.
//   - Security is ESXi's, rejected by default: a port with a MAC gets what is for
//     that MAC, broadcast and multicast, and sends from that MAC only. Unknown
//     unicast is flooded to ports that may have stations behind them: uplinks, and
//     ports whose policy accepts forged transmits or promiscuous mode.
//   - A port's own MAC is never learned elsewhere, so no neighbour can take over
//     its traffic. The same MAC on two ports is refused. A frame that comes back
//     through an uplink with a local source is dropped.
//   - The FDB is a fixed table; a port has a quota and displaces only its own
//     entries or expired ones, so a flood of MACs from one port leaves others'
//     entries alone. Its hash is keyed with a random seed.
//   - VLAN 0 is the untagged network, as in ESXi. An access port takes untagged and
//     priority-tagged frames; a trunk sends its native VLAN untagged. The priority
//     bits survive from trunk to trunk only.
//   - Ageing is lazy: an entry too old is not used and is the first to be replaced.
//     No port of a virtual device has a goroutine; a capture has one, an uplink two,
//     because writers and NICs may block.
//
// # Locking
//
// Configuration changes take Switch.mu and publish a new table; senders read the
// table without a lock. The FDB's mutex is held while a batch is decided, never
// while it is delivered. A delivery holds the target's gate for reading, so that
// Port.Close returns only when no delivery is going on. Deliver runs without any
// lock of the switch, must not block, and must not call Send, Close or a setter of
// a port: so two guests that send to each other cannot wait for each other.
//
// # Not supported
//
// Port groups and teaming (the policy is per port), traffic shaping, mirroring,
// IGMP and MLD snooping, spanning tree, 802.1ad, private VLANs, UDP segmentation
// offload, segmentation of IPv4 or IPv6 inside tunnels or a second tag, encrypted
// uplinks. Jumbo frames need an MTU at New and do not pass a netio.Link.
package vswitch
