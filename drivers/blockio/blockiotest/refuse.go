package blockiotest

import (
	"errors"
	"math"

	"basalt/drivers/blockio"
)

// badRequests: each is refused with the error of blockio.Check, and neither the
// disk nor the buffers of a read change.
func badRequests(r *rig) {
	before := r.fill(16*r.block, 3)
	r.write(0, before)
	buf := func(n int64) [][]byte { return [][]byte{r.fill(n, 200)} }
	many := make([][]byte, 0, r.info.MaxSegments+1)
	for range cap(many) {
		many = append(many, make([]byte, r.block))
	}
	top := math.MaxInt64 &^ (r.block - 1)
	cases := []struct {
		name string
		req  blockio.Request
		want error
	}{
		{"no operation", blockio.Request{Length: r.block, Bufs: buf(r.block)}, blockio.ErrBadRequest},
		{"unknown operation", blockio.Request{Op: 200, Length: r.block, Bufs: buf(r.block)}, blockio.ErrBadRequest},
		{"empty write", blockio.Request{Op: blockio.Write}, blockio.ErrBadRequest},
		{"write without data", blockio.Request{Op: blockio.Write, Length: r.block}, blockio.ErrBadRequest},
		{"too little data", blockio.Request{Op: blockio.Write, Length: 2 * r.block, Bufs: buf(r.block)}, blockio.ErrBadRequest},
		{"too much data", blockio.Request{Op: blockio.Write, Length: r.block, Bufs: buf(2 * r.block)}, blockio.ErrBadRequest},
		{"empty segment", blockio.Request{Op: blockio.Write, Length: r.block, Bufs: append(buf(r.block), nil)}, blockio.ErrBadRequest},
		{"negative length", blockio.Request{Op: blockio.Discard, Length: -r.block}, blockio.ErrBadRequest},
		{"flush with a range", blockio.Request{Op: blockio.Flush, Length: r.block}, blockio.ErrBadRequest},
		{"read with FUA", blockio.Request{Op: blockio.Read, FUA: true, Length: r.block, Bufs: buf(r.block)}, blockio.ErrBadRequest},
		{"zeroes with data", blockio.Request{Op: blockio.WriteZeroes, Length: r.block, Bufs: buf(r.block)}, blockio.ErrBadRequest},
		{"offset between blocks", blockio.Request{Op: blockio.Write, Offset: 1, Length: r.block, Bufs: buf(r.block)}, blockio.ErrAlignment},
		{"half a block", blockio.Request{Op: blockio.Write, Length: r.block / 2, Bufs: buf(r.block / 2)}, blockio.ErrAlignment},
		{"read of half a block", blockio.Request{Op: blockio.Read, Length: r.block / 2, Bufs: buf(r.block / 2)}, blockio.ErrAlignment},
		{"behind the end", blockio.Request{Op: blockio.Write, Offset: r.info.Size, Length: r.block, Bufs: buf(r.block)}, blockio.ErrRange},
		{"over the end", blockio.Request{Op: blockio.Read, Offset: r.info.Size - r.block, Length: 2 * r.block, Bufs: buf(2 * r.block)}, blockio.ErrRange},
		{"sum overflows", blockio.Request{Op: blockio.Write, Offset: top, Length: r.block, Bufs: buf(r.block)}, blockio.ErrRange},
		{"before the start", blockio.Request{Op: blockio.Write, Offset: -r.block, Length: r.block, Bufs: buf(r.block)}, blockio.ErrRange},
	}
	add := func(name string, req blockio.Request, want error) {
		cases = append(cases, struct {
			name string
			req  blockio.Request
			want error
		}{name, req, want})
	}
	if n := int64(len(many)) * r.block; n <= r.info.Size {
		add("too many segments", blockio.Request{Op: blockio.Write, Length: n, Bufs: many}, blockio.ErrTooLarge)
	}
	if n := r.info.MaxTransfer + r.block; n <= r.info.Size && n < 64<<20 {
		add("too long", blockio.Request{Op: blockio.Write, Length: n, Bufs: buf(n)}, blockio.ErrTooLarge)
	}
	if !r.info.CanFUA {
		add("FUA", blockio.Request{Op: blockio.Write, FUA: true, Length: r.block, Bufs: buf(r.block)}, blockio.ErrNotSupported)
	}
	if !r.info.CanDiscard {
		add("discard", blockio.Request{Op: blockio.Discard, Length: r.block}, blockio.ErrNotSupported)
	}
	if !r.info.CanWriteZeroes {
		add("zeroes", blockio.Request{Op: blockio.WriteZeroes, Length: r.block}, blockio.ErrNotSupported)
	}
	for _, c := range cases {
		if err := r.do(c.req); !errors.Is(err, c.want) {
			r.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.req.Op == blockio.Read {
			want := r.fill(int64(len(c.req.Bufs[0])), 200)
			for i, b := range c.req.Bufs[0] {
				if b != want[i] {
					r.Errorf("%s: the buffer was changed", c.name)
					break
				}
			}
		}
	}
	r.expect(0, before)

	// A bad request does not take the others of its batch with it.
	good := r.fill(r.block, 44)
	batch := []*blockio.Request{
		{Op: blockio.Write, Offset: -r.block, Length: r.block, Bufs: buf(r.block)},
		{Op: blockio.Write, Length: r.block, Bufs: [][]byte{good}},
	}
	if err := r.wait.Do(r.disk, batch); !errors.Is(err, blockio.ErrRange) || batch[1].Err != nil {
		r.Errorf("a bad and a good request: %v, %v", batch[0].Err, batch[1].Err)
	}
	r.expect(0, good)
}

func emptyBatch(r *rig) {
	r.disk.Submit(nil)
	r.disk.Submit([]*blockio.Request{})
	r.must(blockio.Request{Op: blockio.Flush})
}
