package e1000test

import (
	"encoding/binary"

	spec "basalt/drivers/spec/e1000"
)

// ring gives the bus address of the descriptor at the head; mu is held.
func (c *Chip) ring(base uintptr) (addr uint64, head, tail, n uint32) {
	n = c.regs[(base+spec.RDLEN-spec.RDBAL)/4] / spec.DescSize
	head = c.regs[(base+spec.RDH-spec.RDBAL)/4]
	tail = c.regs[(base+spec.RDT-spec.RDBAL)/4]
	addr = uint64(c.regs[(base+4)/4])<<32 | uint64(c.regs[base/4])
	return addr + uint64(head)*spec.DescSize, head, tail, n
}

// transmit is the engine from ring to wire.
func (c *Chip) transmit() {
	var desc [spec.DescSize]byte
	frame := make([]byte, 2048)
	batch := [][]byte{nil}
	for {
		c.mu.Lock()
		var at uint64
		for {
			addr, head, tail, n := c.ring(spec.TDBAL)
			if c.gone {
				c.mu.Unlock()
				return
			}
			if c.regs[spec.TCTL/4]&spec.TctlEN != 0 && n > 0 && head < n && head != tail {
				at = addr
				break
			}
			c.moved.Wait()
		}
		ok := c.Dev.Mem.Read(at, desc[:])
		length := binary.LittleEndian.Uint16(desc[spec.DescLength:])
		ok = ok && int(length) <= len(frame) && c.Dev.Mem.Read(binary.LittleEndian.Uint64(desc[:]), frame[:length])
		if desc[spec.TxCommand]&spec.TxCommandEOP == 0 {
			c.complain("transmit descriptor without end of packet")
		}
		c.mu.Unlock()
		if ok {
			for length < 60 {
				frame[length] = 0
				length++
			}
			batch[0] = frame[:length]
			if _, err := c.wire.Send(batch); err != nil {
				return
			}
		}
		c.mu.Lock()
		// The ring may have been reset or removed while the wire took its time.
		if addr, head, _, n := c.ring(spec.TDBAL); !c.gone && addr == at && n > 0 && c.regs[spec.TCTL/4]&spec.TctlEN != 0 {
			if desc[spec.TxCommand]&spec.TxCommandRS != 0 {
				desc[spec.TxStatus] |= spec.TxStatusDD
				c.Dev.Mem.Write(at, desc[:])
			}
			c.regs[spec.TDH/4] = (head + 1) % n
			c.cause(spec.IntTXDW | spec.IntTXQ0)
		}
		c.mu.Unlock()
	}
}

// receive is the engine from wire to ring. It waits for a descriptor, as QEMU's
// does, instead of dropping.
func (c *Chip) receive() {
	var desc [spec.DescSize]byte
	bufs, sizes := [][]byte{make([]byte, 2048)}, []int{0}
	for {
		if _, err := c.wire.Receive(bufs, sizes); err != nil {
			return
		}
		c.mu.Lock()
		var at uint64
		for {
			addr, head, tail, n := c.ring(spec.RDBAL)
			if c.gone {
				c.mu.Unlock()
				return
			}
			if c.regs[spec.RCTL/4]&spec.RctlEN != 0 && n > 0 && head < n && head != tail {
				at = addr
				break
			}
			c.moved.Wait()
		}
		c.deliver(at, &desc, bufs[0][:sizes[0]])
		c.mu.Unlock()
	}
}

func (c *Chip) deliver(at uint64, desc *[spec.DescSize]byte, frame []byte) {
	c.Dev.Mem.Read(at, desc[:])
	if desc[spec.RxStatus] != 0 {
		c.complain("receive descriptor given back with status %#x", desc[spec.RxStatus])
	}
	buf := binary.LittleEndian.Uint64(desc[:])
	c.Dev.Mem.Write(buf, frame)
	n := c.rxSeen
	c.rxSeen++
	length, status := uint16(len(frame)), byte(spec.RxStatusDD|spec.RxStatusEOP)
	if v, ok := c.Faults.RxLength[n]; ok {
		length = v
	}
	if c.Faults.RxSplit[n] {
		status = spec.RxStatusDD
	}
	if c.Faults.RxAddr {
		binary.LittleEndian.PutUint64(desc[:], 0xdead0000)
	}
	binary.LittleEndian.PutUint16(desc[spec.DescLength:], length)
	desc[spec.RxErrors] = c.Faults.RxErrors[n]
	desc[spec.RxStatus] = status
	c.Dev.Mem.Write(at, desc[:])
	size := c.regs[spec.RDLEN/4] / spec.DescSize
	c.regs[spec.RDH/4] = (c.regs[spec.RDH/4] + 1) % size
	c.cause(spec.IntRXT0 | spec.IntRXQ0)
}
