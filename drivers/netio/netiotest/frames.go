package netiotest

import (
	"encoding/binary"
	"fmt"

	"basalt/drivers/netio"
)

// Buffers is a batch of receive buffers.
type Buffers struct {
	Bufs  [][]byte
	Sizes []int
}

// NewBuffers makes n buffers of netio.MaxFrame bytes.
func NewBuffers(n int) *Buffers {
	b := &Buffers{make([][]byte, n), make([]int, n)}
	for i := range b.Bufs {
		b.Bufs[i] = make([]byte, netio.MaxFrame)
	}
	return b
}

// Frame is the i-th received frame.
func (b *Buffers) Frame(i int) []byte { return b.Bufs[i][:b.Sizes[i]] }

// Frame makes a broadcast frame of size bytes (at least 14) whose payload bytes
// are all fill, with the local experimental EtherType.
func Frame(size int, fill byte) []byte {
	f := make([]byte, size)
	copy(f, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x88, 0xb5})
	for i := 14; i < size; i++ {
		f[i] = fill
	}
	return f
}

// SendSequence sends total numbered frames of mixed sizes in full batches.
func SendSequence(l netio.Link, total int) error {
	n := l.BatchSize()
	mem := make([][]byte, n)
	for i := range mem {
		mem[i] = Frame(netio.MaxFrame, 0x5a)
	}
	batch := make([][]byte, 0, n)
	for next := 0; next < total; {
		batch = batch[:0]
		for len(batch) < n && next < total {
			f := mem[len(batch)][:64+next*7%(l.MTU()-50)]
			binary.BigEndian.PutUint32(f[14:], uint32(next))
			batch = append(batch, f)
			next++
		}
		if sent, err := l.Send(batch); err != nil || sent != len(batch) {
			return fmt.Errorf("netiotest: sent %d of %d before number %d: %w", sent, len(batch), next, err)
		}
	}
	return nil
}

// ReceiveSequence receives what SendSequence sends and checks order, sizes and
// content.
func ReceiveSequence(l netio.Link, total int) error {
	b := NewBuffers(l.BatchSize())
	for next := 0; next < total; {
		n, err := l.Receive(b.Bufs, b.Sizes)
		if err != nil {
			return fmt.Errorf("netiotest: at frame %d: %w", next, err)
		}
		for i := range n {
			f := b.Frame(i)
			if size := 64 + next*7%(l.MTU()-50); len(f) != size {
				return fmt.Errorf("netiotest: frame %d has %d bytes, not %d", next, len(f), size)
			}
			if got := binary.BigEndian.Uint32(f[14:]); got != uint32(next) {
				return fmt.Errorf("netiotest: frame %d arrived as number %d", got, next)
			}
			if f[len(f)-1] != 0x5a || f[18] != 0x5a {
				return fmt.Errorf("netiotest: frame %d was damaged", next)
			}
			next++
		}
	}
	return nil
}
