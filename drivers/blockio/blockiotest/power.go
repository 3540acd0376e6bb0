package blockiotest

import (
	"bytes"
	"slices"
	"testing"

	"basalt/drivers/blockio"
)

// FuzzPower runs streams of writes, flushes and power cuts and checks after each
// cut that every block has a content that the durability rules allow. Setup must
// have PowerCut.
func FuzzPower(f *testing.F, open func(t testing.TB) Setup) {
	for seed := range uint64(4) {
		f.Add(stream(seed))
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		r := newRig(t, open(t))
		defer r.disk.Close()
		r.playPower(ops)
	})
}

func randomPowerCuts(r *rig) {
	r.needPower()
	for seed := range uint64(8) {
		r.must(blockio.Request{Op: blockio.Write, Length: powerBlocks * r.block, Bufs: [][]byte{make([]byte, powerBlocks*r.block)}})
		r.must(blockio.Request{Op: blockio.Flush})
		r.playPower(stream(seed))
	}
}

const powerBlocks = 16

// history is what a block may have after a power cut; the newest comes last.
type history []byte

// playPower carries out ops, opSize bytes each: what to do, first block, number
// of blocks, the seed of a power cut (two bytes). The blocks are zeroes first.
func (r *rig) playPower(ops []byte) {
	var past [powerBlocks]history
	for i := range past {
		past[i] = history{0}
	}
	value := byte(0)
	for ; len(ops) >= opSize; ops = ops[opSize:] {
		first := int64(ops[1] % powerBlocks)
		n := min(int64(ops[2]%4)+1, powerBlocks-first)
		switch what := ops[0] % 8; what {
		case 0: // a power cut
			r.PowerCut(uint64(ops[3])<<8 | uint64(ops[4]))
			r.checkPast(&past)
		case 1:
			r.must(blockio.Request{Op: blockio.Flush})
			for i, h := range past {
				past[i] = h[len(h)-1:]
			}
		default: // 2 and 3 are writes with FUA
			value++
			fua := what <= 3 && r.info.CanFUA
			data := bytes.Repeat([]byte{value}, int(n*r.block))
			r.must(blockio.Request{Op: blockio.Write, FUA: fua, Offset: first * r.block, Length: n * r.block, Bufs: [][]byte{data}})
			for i := first; i < first+n; i++ {
				if past[i] = append(past[i], value); fua {
					past[i] = history{value}
				}
			}
		}
	}
}

// checkPast compares the blocks with what they may have, which from now on is
// what they do have.
func (r *rig) checkPast(past *[powerBlocks]history) {
	r.Helper()
	data := r.read(0, powerBlocks*r.block)
	r.uniform(data, 255)
	for i, h := range past {
		got := data[int64(i)*r.block]
		if !slices.Contains(h, got) {
			r.Fatalf("block %d has %d after a power cut, not one of %d", i, got, h)
		}
		past[i] = history{got}
	}
}
