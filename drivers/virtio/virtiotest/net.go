package virtiotest

import (
	"basalt/drivers/netio"
	spec "basalt/drivers/spec/virtio"
)

// NetFaults hold for the n-th received frame, from 0.
type NetFaults struct {
	UsedJump map[int]uint16 // the used index moves on by so many more
	UsedID   map[int]uint32 // another chain is returned
	Length   map[int]uint32 // another length is written
}

// Net is a network device with the wire at its back.
type Net struct {
	*Device
	Faults NetFaults

	link netio.Link
	seen int
}

// NetConfig says what the device is like.
type NetConfig struct {
	Features uint64 // beside version 1
	Vectors  int    // 0: a wire
	Ring     uint16 // default 256
	Config   []byte // default: MAC, carrier up, MTU 1500
}

// NewNet makes a network device and starts it.
func NewNet(c NetConfig, wire netio.Link) *Net {
	if c.Ring == 0 {
		c.Ring = 256
	}
	if c.Config == nil {
		c.Config = []byte{0x52, 0x54, 0, 0x12, 0x34, 0x57, 1, 0, 1, 0, 0xdc, 5}
	}
	n := &Net{link: wire}
	n.Device = newDevice(spec.IDModernBase+spec.TypeNet, c.Features, c.Config, 2, c.Ring, c.Vectors)
	go n.receive()
	go n.transmit()
	return n
}

// Remove pulls the card out.
func (n *Net) Remove() {
	n.Gone()
	n.link.Close()
}

// SetCarrier plugs the cable in or out.
func (n *Net) SetCarrier(up bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.config[spec.NetCfgStatus] &^= spec.NetStatusLinkUp
	if up {
		n.config[spec.NetCfgStatus] |= spec.NetStatusLinkUp
	}
	n.configChanged()
}

func (n *Net) transmit() {
	buf := make([]byte, 4096)
	batch := [][]byte{nil}
	for {
		n.mu.Lock()
		c, ok := n.pop(spec.NetQueueTx)
		if !ok {
			n.mu.Unlock()
			return
		}
		if c.write || c.size < spec.NetHeaderSize || int(c.size) > len(buf) {
			n.complain("transmit chain %+v", c)
			c.size = 0
		}
		n.Dev.Mem.Read(c.addr, buf[:c.size])
		n.mu.Unlock()
		if c.size > spec.NetHeaderSize {
			batch[0] = buf[spec.NetHeaderSize:c.size]
			if _, err := n.link.Send(batch); err != nil {
				return
			}
		}
		n.mu.Lock()
		n.push(spec.NetQueueTx, uint32(c.head), 0, 0)
		n.mu.Unlock()
	}
}

func (n *Net) receive() {
	bufs, sizes := [][]byte{make([]byte, 4096)}, []int{0}
	var head [spec.NetHeaderSize]byte
	head[spec.NetHeaderNumBuffers] = 1
	for {
		if _, err := n.link.Receive(bufs, sizes); err != nil {
			return
		}
		n.mu.Lock()
		c, ok := n.pop(spec.NetQueueRx)
		if !ok {
			n.mu.Unlock()
			return
		}
		if !c.write {
			n.complain("receive chain %+v", c)
		}
		written := uint32(spec.NetHeaderSize + sizes[0])
		if written <= c.size {
			n.Dev.Mem.Write(c.addr, head[:])
			n.Dev.Mem.Write(c.addr+spec.NetHeaderSize, bufs[0][:sizes[0]])
		}
		id := uint32(c.head)
		if v, ok := n.Faults.UsedID[n.seen]; ok {
			id = v
		}
		if v, ok := n.Faults.Length[n.seen]; ok {
			written = v
		}
		n.push(spec.NetQueueRx, id, written, n.Faults.UsedJump[n.seen])
		n.seen++
		n.mu.Unlock()
	}
}
