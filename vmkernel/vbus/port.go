package vbus

import "fmt"

// Sizes is a set of access widths in bytes: the sum of the ones wanted.
type Sizes uint8

// The port access widths.
const (
	Size1    Sizes = 1
	Size2    Sizes = 2
	Size4    Sizes = 4
	AllSizes       = Size1 | Size2 | Size4
)

const (
	portPageBits = 8
	portPageSize = 1 << portPageBits
	numPortPages = 65536 / portPageSize
)

// portClaim is a range [base, end) of ports of one device.
type portClaim struct {
	node  *node
	base  uint32
	end   uint32
	sizes Sizes
}

// portPage maps the low byte of a port to its claim, for one width.
type portPage [portPageSize]*portClaim

// portTable is immutable once published. The first index is the logarithm of
// the width.
type portTable struct {
	pages  [3][numPortPages]*portPage
	claims []*portClaim
}

func (t *portTable) find(log int, port uint16) *portClaim {
	p := t.pages[log][port>>portPageBits]
	if p == nil {
		return nil
	}
	return p[port&(portPageSize-1)]
}

func buildPorts(claims []*portClaim) *portTable {
	t := &portTable{claims: claims}
	for _, c := range claims {
		for log := range t.pages {
			if c.sizes>>log&1 == 0 {
				continue
			}
			for port := c.base; port < c.end; port++ {
				page := &t.pages[log][port>>portPageBits]
				if *page == nil {
					*page = new(portPage)
				}
				(*page)[port&(portPageSize-1)] = c
			}
		}
	}
	return t
}

func (t *portTable) without(n *node) *portTable {
	var keep []*portClaim
	for _, c := range t.claims {
		if c.node != n {
			keep = append(keep, c)
		}
	}
	return buildPorts(keep)
}

// AddPorts plugs d in, if it is not yet, and routes count ports from base to
// it, for every width.
func (b *Bus) AddPorts(d Device, base uint16, count int) error {
	return b.AddPortsSized(d, base, count, AllSizes)
}

// AddPortsSized is AddPorts for some access widths only. Two claims may share a
// port if they share no width.
func (b *Bus) AddPortsSized(d Device, base uint16, count int, sizes Sizes) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &portClaim{base: uint32(base), end: uint32(base) + uint32(count), sizes: sizes & AllSizes}
	if count < 1 || count > 65536 || c.end > 65536 || c.sizes == 0 {
		return fmt.Errorf("vbus: %s: ports %#x+%d: %w", d.Name(), base, count, ErrRange)
	}
	if _, ok := d.(PortIO); !ok {
		return fmt.Errorf("vbus: %s: ports %#x+%d: %w", d.Name(), base, count, ErrNotIO)
	}
	old := b.ports.Load()
	for _, o := range old.claims {
		if c.base < o.end && o.base < c.end && c.sizes&o.sizes != 0 {
			return fmt.Errorf("vbus: %s: ports %#x-%#x meet %s at %#x-%#x: %w", d.Name(),
				c.base, c.end-1, o.node.dev.Name(), o.base, o.end-1, ErrOverlap)
		}
	}
	n, err := b.add(d)
	if err != nil {
		return err
	}
	c.node = n
	b.ports.Store(buildPorts(append(old.claims[:len(old.claims):len(old.claims)], c)))
	return nil
}

// RemovePorts takes back the claim of d that starts at base.
func (b *Bus) RemovePorts(d Device, base uint16) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.ports.Load()
	for i, c := range old.claims {
		if c.node.dev == d && c.base == uint32(base) {
			b.ports.Store(buildPorts(append(old.claims[:i:i], old.claims[i+1:]...)))
			return nil
		}
	}
	return fmt.Errorf("vbus: %s: ports at %#x: %w", d.Name(), base, ErrUnknown)
}

// sizeLog gives the logarithm of a port access width, or -1.
func sizeLog(n int) int {
	switch n {
	case 1:
		return 0
	case 2:
		return 1
	case 4:
		return 2
	}
	return -1
}

// ReadPort is IN of len(data) bytes: 1, 2 or 4. It fills data in any case.
func (b *Bus) ReadPort(port uint16, data []byte) Access {
	log := sizeLog(len(data))
	if log < 0 {
		ones(data)
		return BadSize
	}
	t := b.ports.Load()
	if c := t.find(log, port); c != nil && uint32(port)+uint32(len(data)) <= c.end {
		c.node.n.PortReads.Add(1)
		a := c.node.pio.ReadPort(port, data)
		switch {
		case a == OK:
			return OK
		case a == NoRegister || log == 0:
			c.node.n.Refused.Add(1)
			ones(data)
			return a
		}
	} else if log == 0 {
		b.lost.PortReads.Add(1)
		ones(data)
		return NoRegister
	}
	result := NoRegister
	for i := range data {
		part := data[i : i+1 : i+1]
		at := uint32(port) + uint32(i)
		if at > 0xFFFF {
			b.lost.PortReads.Add(1)
			part[0] = 0xFF
		} else if b.ReadPort(uint16(at), part) == OK {
			result = OK
		}
	}
	return result
}

// WritePort is OUT of len(data) bytes: 1, 2 or 4.
func (b *Bus) WritePort(port uint16, data []byte) Access {
	log := sizeLog(len(data))
	if log < 0 {
		return BadSize
	}
	t := b.ports.Load()
	if c := t.find(log, port); c != nil && uint32(port)+uint32(len(data)) <= c.end {
		c.node.n.PortWrites.Add(1)
		a := c.node.pio.WritePort(port, data)
		switch {
		case a == OK:
			return OK
		case a == NoRegister || log == 0:
			c.node.n.Refused.Add(1)
			return a
		}
	} else if log == 0 {
		b.lost.PortWrites.Add(1)
		return NoRegister
	}
	result := NoRegister
	for i := range data {
		at := uint32(port) + uint32(i)
		if at > 0xFFFF {
			b.lost.PortWrites.Add(1)
		} else if b.WritePort(uint16(at), data[i:i+1:i+1]) == OK {
			result = OK
		}
	}
	return result
}

// FastWritePort is WritePort of size bytes, 1, 2 or 4, in W1, for a device that can
// take it there. ok false says that nothing has happened.
func (b *Bus) FastWritePort(port uint16, size uint8, value uint32) (ok bool) {
	log := sizeLog(int(size))
	if log < 0 {
		return false
	}
	c := b.ports.Load().find(log, port)
	if c == nil || c.node.fast == nil || uint32(port)+uint32(size) > c.end {
		return false
	}
	if !c.node.fast.FastWritePort(port, size, value) {
		return false
	}
	c.node.n.PortWrites.Add(1)
	return true
}
