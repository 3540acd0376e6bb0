package blockiotest

import (
	"bytes"

	"basalt/drivers/blockio"
)

// seeds is the number of power cuts that each case tries.
const seeds = 20

func (r *rig) needPower() {
	if r.PowerCut == nil {
		r.Skip("the disk has no power cut")
	}
}

// flushSurvives: what a Flush covered is there after any power cut.
func flushSurvives(r *rig) {
	r.needPower()
	for seed := range uint64(seeds) {
		data := r.fill(16*r.block, byte(seed))
		r.write(0, data)
		r.must(blockio.Request{Op: blockio.Flush})
		r.write(8*r.block, r.fill(8*r.block, byte(100+seed))) // may be lost
		r.PowerCut(seed)
		r.expect(0, data[:8*r.block])
	}
}

// fuaSurvives: so is what was written with FUA, even over a write that was not
// durable, and beside others that are lost.
func fuaSurvives(r *rig) {
	r.needPower()
	if !r.info.CanFUA {
		r.Skip("the disk has no FUA")
	}
	for seed := range uint64(seeds) {
		data := r.fill(4*r.block, byte(seed))
		r.write(0, r.fill(8*r.block, byte(50+seed)))
		r.must(blockio.Request{Op: blockio.Write, FUA: true, Offset: 2 * r.block, Length: 4 * r.block, Bufs: [][]byte{data}})
		if r.info.CanWriteZeroes {
			r.must(blockio.Request{Op: blockio.WriteZeroes, FUA: true, Offset: 3 * r.block, Length: r.block})
			clear(data[r.block : 2*r.block])
		}
		r.PowerCut(seed)
		r.expect(2*r.block, data)
	}
}

// wholeBlocks: a block that was not flushed has one of the contents written since
// the last Flush or the one before, as a whole.
func wholeBlocks(r *rig) {
	r.needPower()
	const blocks = 16
	durable := bytes.Repeat([]byte{1}, int(blocks*r.block))
	for seed := range uint64(seeds) {
		r.write(0, durable)
		r.must(blockio.Request{Op: blockio.Flush})
		for v := byte(2); v <= 4; v++ {
			r.write(0, bytes.Repeat([]byte{v}, int(blocks*r.block)))
		}
		r.PowerCut(seed)
		data := r.read(0, blocks*r.block)
		r.uniform(data, 4)
		if bytes.IndexByte(data, 0) >= 0 {
			r.Fatal("a durable block became zeroes")
		}
		if again := r.read(0, blocks*r.block); !bytes.Equal(again, data) {
			r.Fatal("the content still changes after the power came back")
		}
	}
}
