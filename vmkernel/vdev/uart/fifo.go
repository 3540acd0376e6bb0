package uart

// fifo is a ring of up to 16 bytes; which of them are used is the owner's
// choice (1 without FIFO mode).
type fifo struct {
	b    [fifoSize]byte
	head int
	n    int
}

func (f *fifo) push(v byte) {
	f.b[(f.head+f.n)%fifoSize] = v
	f.n++
}

func (f *fifo) pop() byte {
	v := f.b[f.head]
	f.head = (f.head + 1) % fifoSize
	f.n--
	return v
}

func (f *fifo) clear() { f.head, f.n = 0, 0 }
