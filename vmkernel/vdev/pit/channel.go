package pit

// channel is one counter. All methods take the time in input ticks; nothing
// here knows the VM's clock.
type channel struct {
	mode   uint8 // 0 to 5
	bcd    bool
	rw     uint8 // rwLow, rwHigh or rwWord
	gate   bool
	count  int32 // N, 1 to 65536 (10000 in BCD); 0: no count was written yet
	start  int64 // the tick at which N was loaded
	armed  bool  // counting has begun: modes 1 and 5 wait for a trigger
	paused bool  // modes 0 and 4 with a low gate
	since  int64 // paused: the tick at which it was

	next   int32 // modes 2 and 3: N of the next period, or 0
	nextAt int64 // the tick at which it begins

	writeLow uint8 // first byte of a word, waiting for the second
	writeHi  bool  // the second byte is expected
	readHi   bool  // the high byte is read next

	latched  bool // latch holds the count
	latch    uint16
	statusOn bool // status holds the status byte
	status   uint8
}

// full is the number of counts of a wrap.
func (c *channel) full() int32 {
	if c.bcd {
		return 10000
	}
	return 65536
}

// periodic: modes 2 and 3 reload by themselves.
func (c *channel) periodic() bool { return c.mode == 2 || c.mode == 3 }

// sync makes a pending new count current when its period has begun.
func (c *channel) sync(t int64) {
	if c.next != 0 && t >= c.nextAt {
		c.start, c.count, c.next = c.nextAt, c.next, 0
	}
}

// elapsed is the number of ticks since N was loaded, never negative.
func (c *channel) elapsed(t int64) int64 {
	if c.paused {
		t = c.since
	}
	return max(0, t-c.start)
}

// control is a control word with its mode bits.
func (c *channel) control(v uint8) {
	gate := c.gate
	*c = channel{gate: gate}
	c.mode = v >> ctlModeShift & 7
	if c.mode > 5 {
		c.mode -= 4 // 6 and 7 are 2 and 3
	}
	c.bcd = v&ctlBCD != 0
	c.rw = v >> ctlRWShift & 3
}

// write is a byte of the count; it says whether the count is complete.
func (c *channel) write(v uint8, t int64) bool {
	switch c.rw {
	case rwLow:
		c.load(uint16(v), t)
	case rwHigh:
		c.load(uint16(v)<<8, t)
	case rwWord:
		if !c.writeHi {
			c.writeLow, c.writeHi = v, true
			if c.mode == 0 {
				c.count, c.armed = 0, false // counting stops at the first byte
			}
			return false
		}
		c.writeHi = false
		c.load(uint16(v)<<8|uint16(c.writeLow), t)
	default:
		return false
	}
	return true
}

// load takes a complete count.
func (c *channel) load(v uint16, t int64) {
	n := int32(v)
	if c.bcd {
		n = int32(v>>12&15)*1000 + int32(v>>8&15)*100 + int32(v>>4&15)*10 + int32(v&15)
		n %= 10000
	}
	if n == 0 {
		n = c.full()
	}
	if c.periodic() && n == 1 {
		n = 2 // 1 is illegal in modes 2 and 3
	}
	c.sync(t)
	switch {
	case c.periodic() && c.count != 0 && c.gate:
		c.next = n
		c.nextAt = c.start + (c.elapsed(t)/int64(c.count)+1)*int64(c.count)
	case c.mode == 1 || c.mode == 5:
		c.count = n // the trigger loads it
		if !c.armed {
			c.start = t
		}
	default:
		c.count, c.start, c.armed = n, t+1, true
		c.paused, c.since = !c.gate && !c.periodic(), t+1
	}
}

// setGate changes the gate input (data sheet, table "Gate Pin Operations").
func (c *channel) setGate(high bool, t int64) {
	if c.gate == high {
		return
	}
	c.sync(t)
	c.gate = high
	switch c.mode {
	case 0, 4:
		if high && c.paused {
			c.start += t - c.since
			c.paused = false
		} else if !high {
			c.paused, c.since = true, max(t, c.start)
		}
	case 2, 3:
		if high {
			if c.next != 0 {
				c.count, c.next = c.next, 0
			}
			c.start = t + 1
		}
	case 1, 5:
		if high && c.count != 0 {
			c.start, c.armed = t+1, true
		}
	}
}

// out is the output at tick t.
func (c *channel) out(t int64) bool {
	c.sync(t)
	n, e := int64(c.count), c.elapsed(t)
	if n == 0 || !c.armed {
		return c.mode != 0
	}
	switch c.mode {
	case 0, 1:
		return e >= n && t >= c.start
	case 2:
		return !c.gate || e%n != n-1 || t < c.start
	case 3:
		return !c.gate || e%n < (n+1)/2
	default:
		return e != n || t < c.start
	}
}

// value is the counting element at tick t, as it reads.
func (c *channel) value(t int64) uint16 {
	c.sync(t)
	n, e, full := int64(c.count), c.elapsed(t), int64(c.full())
	if n == 0 {
		return 0
	}
	var v int64
	switch {
	case !c.armed:
		v = n
	case c.periodic() && !c.gate:
		v = n
	case c.mode == 2:
		v = n - e%n
	case c.mode == 3:
		p := e % n
		if half := (n + 1) / 2; p >= half {
			p -= half
		}
		v = n&^1 - 2*p
	default:
		v = ((n-e)%full + full) % full
	}
	v %= full
	if c.bcd {
		return uint16(v/1000<<12 | v/100%10<<8 | v/10%10<<4 | v%10)
	}
	return uint16(v)
}

// null says that a new count was written and is not yet in the counting element.
func (c *channel) null(t int64) bool {
	c.sync(t)
	return c.count == 0 || c.next != 0 || t < c.start || !c.armed
}

// latchCount and latchStatus hold a value until it is read; the first wins.
func (c *channel) latchCount(t int64) {
	if !c.latched {
		c.latch, c.latched = c.value(t), true
	}
}

func (c *channel) latchStatus(t int64) {
	if c.statusOn {
		return
	}
	s := c.rw<<ctlRWShift | c.mode<<ctlModeShift
	if c.bcd {
		s |= ctlBCD
	}
	if c.out(t) {
		s |= statusOut
	}
	if c.null(t) {
		s |= statusNull
	}
	c.status, c.statusOn = s, true
}

// read is a byte from the channel's port.
func (c *channel) read(t int64) uint8 {
	if c.statusOn {
		c.statusOn = false
		return c.status
	}
	v := c.latch
	if !c.latched {
		v = c.value(t)
	}
	high := c.rw == rwHigh
	if c.rw == rwWord {
		high = c.readHi
		c.readHi = !c.readHi
	}
	if c.rw != rwWord || high {
		c.latched = false
	}
	if high {
		return uint8(v >> 8)
	}
	return uint8(v)
}

// rise is the first tick after t at which the output rises, or 0 for never.
func (c *channel) rise(t int64) int64 {
	c.sync(t)
	n := int64(c.count)
	if n == 0 || !c.armed || c.paused || (c.periodic() && !c.gate) {
		return 0
	}
	var at int64
	switch c.mode {
	case 0, 1:
		at = c.start + n
	case 2, 3:
		if c.next != 0 {
			return c.nextAt
		}
		at = c.start + (c.elapsed(t)/n+1)*n
	default:
		at = c.start + n + 1
	}
	if at <= t {
		return 0
	}
	return at
}
