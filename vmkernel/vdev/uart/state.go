package uart

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes the registers and both FIFOs. A port that is not paused may take the
// next byte right after.
func (u *UART) SaveState() ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	for _, v := range []uint8{u.ier, u.fcr, u.lcr, u.mcr, u.msr, u.scr, u.errors} {
		e.U8(v)
	}
	e.U16(u.divisor)
	e.Bool(u.timedOut)
	e.Bool(u.thre)
	for _, f := range []*fifo{&u.rx, &u.tx} {
		e.U8(uint8(f.n))
		for i := range f.n {
			e.U8(f.b[(f.head+i)%fifoSize])
		}
	}
	return e.Bytes(), nil
}

// LoadState replaces them, or changes nothing and says why. What waits in the backend is
// left there until InputReady, and output until OutputReady: an interrupt for it now would
// be forgotten by a controller that is loaded later.
func (u *UART) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	var r [7]uint8
	for i := range r {
		r[i] = d.U8()
	}
	divisor, timedOut, thre := d.U16(), d.Bool(), d.Bool()
	var rx, tx fifo
	limit := 1
	if r[1]&fcrEnable != 0 {
		limit = fifoSize
	}
	for _, f := range []*fifo{&rx, &tx} {
		n := int(d.U8())
		d.Check(n <= limit, "fifo")
		for range min(n, limit) {
			f.push(d.U8())
		}
	}
	d.Check(r[0]&^ierMask == 0, "ier")
	d.Check(r[1]&^fcrKept == 0, "fcr")
	d.Check(r[3]&^mcrMask == 0, "mcr")
	d.Check(r[6]&^lsrErrors == 0, "lsr")
	if err := d.Done(u.name); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ier, u.fcr, u.lcr, u.mcr, u.msr, u.scr, u.errors = r[0], r[1], r[2], r[3], r[4], r[5], r[6]
	u.divisor, u.rx, u.tx, u.thre = divisor, rx, tx, thre
	u.startTimeout()
	u.timedOut = timedOut && u.rx.n > 0
	u.update()
	return nil
}
