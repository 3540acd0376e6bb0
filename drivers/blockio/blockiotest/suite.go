package blockiotest

import (
	"bytes"
	"testing"
	"testing/synctest"

	"basalt/drivers/blockio"
)

// MinSize is the smallest disk that the suite works on, in bytes.
const MinSize = 1 << 20

// Setup is one fresh disk of zeroes, writable, with at least MinSize bytes, room
// behind all of them, and a MaxTransfer of at least 16 logical blocks.
type Setup struct {
	Disk blockio.Disk

	// Forgets says that writes vanish and every read gives zeroes.
	Forgets bool
	// PowerCut cuts the power and gives it back, after which Disk works again;
	// seed chooses what is lost. nil if nothing can be lost.
	PowerCut func(seed uint64)
	// Remove pulls the hardware out; nil if there is none.
	Remove func()
}

// Run runs the suite. open makes a fresh disk inside the bubble of each case; the
// suite closes it.
func Run(t *testing.T, open func(t testing.TB) Setup) {
	for _, c := range []struct {
		name string
		run  func(*rig)
	}{
		{"identity", identity},
		{"read back", readBack},
		{"holes", holes},
		{"vectors", vectors},
		{"zeroes and discard", zeroesAndDiscard},
		{"ends of the disk", endsOfTheDisk},
		{"bad requests", badRequests},
		{"empty batch", emptyBatch},
		{"request used again in Done", reuseInDone},
		{"concurrent batches", concurrentBatches},
		{"overlapping writes", overlappingWrites},
		{"close in flight", closeInFlight},
		{"close waits for Done", closeWaitsForDone},
		{"after close", afterClose},
		{"hot removal", hotRemoval},
		{"flush survives a power cut", flushSurvives},
		{"FUA survives a power cut", fuaSurvives},
		{"blocks are whole after a power cut", wholeBlocks},
		{"random power cuts", randomPowerCuts},
		{"random operations", randomOperations},
		{"no allocation", noAllocation},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, open(t))
				defer r.disk.Close()
				c.run(r)
			})
		})
	}
}

// rig is what a case works with.
type rig struct {
	testing.TB
	Setup
	disk  blockio.Disk
	info  blockio.Info
	block int64 // bytes
	wait  *blockio.Waiter
}

func newRig(t testing.TB, s Setup) *rig {
	info := s.Disk.Info()
	if info.Size < MinSize || info.MaxTransfer < 16*int64(info.LogicalBlock) || info.ReadOnly {
		t.Fatalf("the suite cannot work on %+v", info)
	}
	return &rig{t, s, s.Disk, info, int64(info.LogicalBlock), blockio.NewWaiter()}
}

// do carries out one request and gives its result.
func (r *rig) do(req blockio.Request) error {
	return r.wait.Do(r.disk, []*blockio.Request{&req})
}

// must carries out one request that has to work.
func (r *rig) must(req blockio.Request) {
	r.Helper()
	if err := r.do(req); err != nil {
		r.Fatalf("%v of %d bytes at %d: %v", req.Op, req.Length, req.Offset, err)
	}
}

func (r *rig) write(off int64, data []byte) {
	r.Helper()
	r.must(blockio.Request{Op: blockio.Write, Offset: off, Length: int64(len(data)), Bufs: [][]byte{data}})
}

func (r *rig) read(off, n int64) []byte {
	r.Helper()
	data := bytes.Repeat([]byte{0xee}, int(n))
	r.must(blockio.Request{Op: blockio.Read, Offset: off, Length: n, Bufs: [][]byte{data}})
	return data
}

// expect compares the disk with data, which it must have at off.
func (r *rig) expect(off int64, data []byte) {
	r.Helper()
	if r.Forgets {
		data = make([]byte, len(data))
	}
	got := r.read(off, int64(len(data)))
	for i := range got {
		if got[i] != data[i] {
			r.Fatalf("byte %d is %#x, not %#x", off+int64(i), got[i], data[i])
		}
	}
}

// fill makes n bytes in which every block differs from its neighbours.
func (r *rig) fill(n int64, seed byte) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = seed + byte(int64(i)/r.block)*31 + byte(i)
	}
	return data
}
