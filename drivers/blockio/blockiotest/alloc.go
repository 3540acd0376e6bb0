package blockiotest

import (
	"testing"

	"basalt/drivers/blockio"
)

// noAllocation: writing, reading and flushing blocks that are there already.
func noAllocation(r *rig) {
	const width = 4
	cut := r.block / 3
	data := r.fill(width*r.block, 6)
	reqs := make([]blockio.Request, 2*width+1)
	writes, reads := make([]*blockio.Request, width), make([]*blockio.Request, width)
	for i := range int64(width) {
		part := data[i*r.block : (i+1)*r.block]
		bufs := [][]byte{part}
		if r.info.MaxSegments > 1 {
			bufs = split(part, []int64{cut})
		}
		reqs[i] = blockio.Request{Op: blockio.Write, Offset: i * r.block, Length: r.block, Bufs: bufs}
		reqs[width+i] = blockio.Request{Op: blockio.Read, Offset: i * r.block, Length: r.block, Bufs: bufs}
		writes[i], reads[i] = &reqs[i], &reqs[width+i]
	}
	reqs[2*width] = blockio.Request{Op: blockio.Flush}
	flush := []*blockio.Request{&reqs[2*width]}
	round := func() {
		for _, batch := range [][]*blockio.Request{writes, reads, flush} {
			if err := r.wait.Do(r.disk, batch); err != nil {
				panic(err)
			}
		}
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n != 0 {
		r.Errorf("%d requests allocate %v times", len(reqs), n)
	}
}
