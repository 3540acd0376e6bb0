package pic

import "math/bits"

// chip is the state of one 8259A in one word, so that it can be changed by one
// compare-and-swap. All its methods are pure.
type chip uint64

// The fields of a chip: shift and width in bits.
const (
	fIRR   = 0  // 8: latched edges; bit 2 of the master is the cascade
	fISR   = 8  // 8: in service
	fIMR   = 16 // 8: masked
	fPins  = 24 // 8: what the pins are
	fELCR  = 32 // 8: 1 is level-triggered
	fBase  = 40 // 8: vector of IR0
	fLow   = 48 // 3: the pin with the lowest priority
	fInit  = 51 // 2: the ICW expected next
	lowMax = 7
)

// The flags of a chip.
const (
	flagAEOI   chip = 1 << (53 + iota) // automatic end of interrupt
	flagRAEOI                          // rotate in automatic EOI mode
	flagSMM                            // special mask mode
	flagRIS                            // port 0 reads ISR, not IRR
	flagPoll                           // the next read polls
	flagIC4                            // ICW4 will follow
	flagSFNM                           // special fully nested mode
	flagSingle                         // no ICW3
)

// Values of fInit.
const (
	initDone = iota
	initICW2
	initICW3
	initICW4
)

func (c chip) field(shift uint) uint8 { return uint8(c >> shift) }

func (c chip) with(shift uint, v uint8) chip {
	return c&^(0xFF<<shift) | chip(v)<<shift
}

func (c chip) low() uint  { return uint(c>>fLow) & 7 }
func (c chip) init() uint { return uint(c>>fInit) & 3 }

func (c chip) withLow(n uint) chip  { return c&^(7<<fLow) | chip(n&7)<<fLow }
func (c chip) withInit(n uint) chip { return c&^(3<<fInit) | chip(n&3)<<fInit }

func (c chip) flag(f chip, on bool) chip {
	if on {
		return c | f
	}
	return c &^ f
}

// requests are the pins that ask: latched edges and active levels.
func (c chip) requests() uint8 {
	elcr := c.field(fELCR)
	return c.field(fIRR)&^elcr | c.field(fPins)&elcr
}

// quiet says that no unmasked pin has an edge or a level, whatever ELCR selects:
// then pending finds nothing. (The cascade pin follows the slave; look at both.)
func (c chip) quiet() bool { return (c>>fIRR|c>>fPins)&^(c>>fIMR)&0xFF == 0 }

// best is the pin with the highest priority in set, and its rank (0 is the
// highest); rank 8 means none.
func (c chip) best(set uint8) (pin, rank uint) {
	turn := c.low() + 1
	r := uint(bits.TrailingZeros8(bits.RotateLeft8(set, -int(turn&7))))
	return (r + turn) & 7, r
}

// pending is the pin that the chip asks its INT output for: unmasked and above
// everything in service (data sheet, "Fully Nested Mode", "Special Mask Mode").
func (c chip) pending(master bool) (pin uint, ok bool) {
	imr := c.field(fIMR)
	pin, rank := c.best(c.requests() &^ imr)
	if rank > 7 || c.init() != initDone {
		return 0, false
	}
	isr := c.field(fISR)
	if c&flagSMM != 0 {
		isr &^= imr
	}
	if master && c&flagSFNM != 0 && pin == cascade {
		isr &^= 1 << cascade // the slave may ask again above itself
	}
	_, served := c.best(isr)
	return pin, rank < served
}

// setPin changes an input and latches a rising edge.
func (c chip) setPin(n uint, high bool) chip {
	bit := uint8(1) << (n & 7)
	pins := c.field(fPins)
	if !high {
		return c.with(fPins, pins&^bit)
	}
	if pins&bit == 0 {
		c = c.with(fIRR, c.field(fIRR)|bit)
	}
	return c.with(fPins, pins|bit)
}

// ack is the interrupt acknowledge cycle for a pin.
func (c chip) ack(n uint) chip {
	bit := uint8(1) << (n & 7)
	c = c.with(fIRR, c.field(fIRR)&^bit)
	if c&flagAEOI == 0 {
		return c.with(fISR, c.field(fISR)|bit)
	}
	if c&flagRAEOI != 0 {
		c = c.withLow(n)
	}
	return c
}

// icw1 starts the initialisation sequence.
func (c chip) icw1(v uint8) chip {
	c &= chip(0xFFFF)<<fPins | 0xFF<<fBase // pins, ELCR and vector stay
	c = c.withLow(lowMax).withInit(initICW2)
	c = c.flag(flagIC4, v&1 != 0)
	return c.flag(flagSingle, v&2 != 0)
}

// writeData is a write with A0 set: an ICW of the sequence, or the mask.
func (c chip) writeData(v uint8) chip {
	switch c.init() {
	case initICW2:
		c = c.with(fBase, v&0xF8)
		switch {
		case c&flagSingle == 0:
			return c.withInit(initICW3)
		case c&flagIC4 != 0:
			return c.withInit(initICW4)
		}
		return c.withInit(initDone)
	case initICW3: // the cascade is wired: nothing to learn
		if c&flagIC4 != 0 {
			return c.withInit(initICW4)
		}
		return c.withInit(initDone)
	case initICW4:
		c = c.flag(flagAEOI, v&0x02 != 0).flag(flagSFNM, v&0x10 != 0)
		return c.withInit(initDone)
	}
	return c.with(fIMR, v)
}

// writeCommand is a write with A0 clear: ICW1, OCW3 or OCW2.
func (c chip) writeCommand(v uint8) chip {
	switch {
	case v&0x10 != 0:
		return c.icw1(v)
	case v&0x08 != 0:
		return c.ocw3(v)
	}
	return c.ocw2(v)
}

func (c chip) ocw3(v uint8) chip {
	if v&0x40 != 0 {
		c = c.flag(flagSMM, v&0x20 != 0)
	}
	if v&0x04 != 0 {
		return c | flagPoll
	}
	if v&0x02 != 0 {
		c = c.flag(flagRIS, v&0x01 != 0)
	}
	return c
}

// ocw2 is end of interrupt and rotation; bits 7:5 are R, SL, EOI.
func (c chip) ocw2(v uint8) chip {
	n := uint(v & 7)
	isr := c.field(fISR)
	switch v >> 5 {
	case 1, 5: // non-specific EOI; 5 rotates
		if c&flagSMM != 0 {
			isr &^= c.field(fIMR) // masked bits are not cleared
		}
		top, rank := c.best(isr)
		if rank > 7 {
			return c
		}
		c = c.with(fISR, c.field(fISR)&^(1<<top))
		if v>>5 == 5 {
			c = c.withLow(top)
		}
	case 3, 7: // specific EOI; 7 rotates
		c = c.with(fISR, isr&^(1<<n))
		if v>>5 == 7 {
			c = c.withLow(n)
		}
	case 0, 4:
		c = c.flag(flagRAEOI, v>>5 == 4)
	case 6:
		c = c.withLow(n)
	}
	return c
}

// readStatus is what port 0 reads outside poll mode.
func (c chip) readStatus() uint8 {
	if c&flagRIS != 0 {
		return c.field(fISR)
	}
	return c.requests()
}
