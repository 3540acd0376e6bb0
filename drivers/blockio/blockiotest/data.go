package blockiotest

import (
	"bytes"

	"basalt/drivers/blockio"
)

func identity(r *rig) {
	if r.disk.Name() == "" {
		r.Error("Name is empty")
	}
	if err := r.info.Valid(); err != nil {
		r.Error(err)
	}
	if again := r.disk.Info(); again != r.info {
		r.Errorf("Info changed from %+v to %+v", r.info, again)
	}
}

func readBack(r *rig) {
	for blocks := int64(1); blocks <= 16; blocks++ {
		off := blocks * 37 % 100 * r.block
		data := r.fill(blocks*r.block, byte(blocks))
		r.write(off, data)
		r.expect(off, data)
	}
	all := r.fill(8*r.block, 1)
	r.write(0, all)
	r.write(3*r.block, r.fill(2*r.block, 99))
	copy(all[3*r.block:], r.fill(2*r.block, 99))
	r.expect(0, all)
	r.expect(4*r.block, all[4*r.block:6*r.block])
}

func holes(r *rig) {
	zero := make([]byte, 8*r.block)
	r.expect(0, zero)
	r.expect(r.info.Size-8*r.block, zero)
	r.write(3*r.block, r.fill(r.block, 5))
	copy(zero[3*r.block:], r.fill(r.block, 5))
	r.expect(0, zero)
}

func vectors(r *rig) {
	total := 4 * r.block
	data := r.fill(total, 77)
	for _, cuts := range [][]int64{{r.block}, {1}, {total - 1}, {1, 2, 3}, {r.block - 1, r.block + 1}, {7, 2*r.block + 5}} {
		if len(cuts) >= r.info.MaxSegments {
			continue
		}
		r.must(blockio.Request{Op: blockio.Write, Offset: r.block, Length: total, Bufs: split(data, cuts)})
		r.expect(r.block, data)
		got := make([]byte, total)
		r.must(blockio.Request{Op: blockio.Read, Offset: r.block, Length: total, Bufs: split(got, cuts)})
		if !r.Forgets && !bytes.Equal(got, data) {
			r.Errorf("read in pieces cut at %v differs", cuts)
		}
		data[0]++
	}
}

// split cuts data at the given places, which rise.
func split(data []byte, cuts []int64) (out [][]byte) {
	at := int64(0)
	for _, c := range cuts {
		out = append(out, data[at:c:c])
		at = c
	}
	return append(out, data[at:])
}

func zeroesAndDiscard(r *rig) {
	data := r.fill(10*r.block, 8)
	r.write(0, data)
	if r.info.CanWriteZeroes {
		r.must(blockio.Request{Op: blockio.WriteZeroes, Offset: 2 * r.block, Length: 3 * r.block})
		clear(data[2*r.block : 5*r.block])
		r.expect(0, data)
		r.write(3*r.block, r.fill(r.block, 9))
		copy(data[3*r.block:], r.fill(r.block, 9))
		r.expect(0, data)
	}
	if r.info.CanDiscard {
		r.must(blockio.Request{Op: blockio.Discard, Offset: 6 * r.block, Length: 2 * r.block})
		r.read(6*r.block, 2*r.block) // anything, but no error
		r.expect(0, data[:6*r.block])
		r.expect(8*r.block, data[8*r.block:])
		r.write(6*r.block, data[6*r.block:8*r.block])
		r.expect(0, data)
	}
}

func endsOfTheDisk(r *rig) {
	first, last := r.fill(r.block, 1), r.fill(r.block, 2)
	r.write(0, first)
	r.write(r.info.Size-r.block, last)
	r.expect(0, first)
	r.expect(r.info.Size-r.block, last)
}
