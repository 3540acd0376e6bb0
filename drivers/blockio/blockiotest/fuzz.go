package blockiotest

import (
	"errors"
	"math/rand/v2"
	"testing"

	"basalt/drivers/blockio"
)

// Fuzz runs streams of operations against the disk and a model of plain bytes.
// It is the body of a fuzz target, FuzzOps, in the package of each disk.
func Fuzz(f *testing.F, open func(t testing.TB) Setup) {
	for seed := range uint64(4) {
		f.Add(stream(seed))
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		r := newRig(t, open(t))
		defer r.disk.Close()
		r.play(ops)
	})
}

func randomOperations(r *rig) {
	for seed := range uint64(8) {
		r.play(append([]byte{byte(blockio.WriteZeroes) - 1, 0, 255, 0, 0}, stream(seed)...))
	}
}

// opSize is the number of bytes that describe one operation.
const opSize = 5

func stream(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 200*opSize)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// model is what the first blocks of the disk have to be. Blocks that the rules
// leave open are not known.
type model struct {
	data  []byte
	known []bool
}

// play carries out ops one after the other, opSize bytes each: operation and
// flags, offset, length, a place to cut the buffer, a seed for the content.
func (r *rig) play(ops []byte) {
	const blocks = 256
	m := model{make([]byte, blocks*r.block), make([]bool, blocks)}
	m.learn(r)
	for ; len(ops) >= opSize; ops = ops[opSize:] {
		req := r.decode(ops[:opSize])
		err, want := r.do(req), blockio.Check(&r.info, &req)
		if !errors.Is(err, want) {
			r.Fatalf("%v of %d bytes at %d: %v, want %v", req.Op, req.Length, req.Offset, err, want)
		}
		if err == nil {
			m.apply(r, &req)
		}
	}
	m.compare(r, 0, r.read(0, 16*r.block))
	for at := int64(0); at < int64(len(m.data)); at += 16 * r.block {
		m.compare(r, at, r.read(at, 16*r.block))
	}
}

// decode makes a request that most often is within the model and is malformed
// now and then.
func (r *rig) decode(b []byte) blockio.Request {
	req := blockio.Request{Op: blockio.Op(b[0]%5 + 1), FUA: b[0]&0x40 != 0, Offset: int64(b[1]) * r.block, Length: int64(b[2]%16) * r.block}
	if b[0]&0x3f == 0x3f {
		req.Offset += int64(b[3]) - 128
	}
	if req.Offset+req.Length > 256*r.block {
		req.Offset = r.info.Size - 8*r.block // over the end, or without effect
		req.Length = 9 * r.block
	}
	switch req.Op {
	case blockio.Flush:
		req.Offset, req.Length, req.FUA = 0, 0, false
	case blockio.Read, blockio.Write:
		data := r.fill(req.Length, b[4])
		req.Bufs = [][]byte{data}
		if cut := int64(b[3]); cut < req.Length && r.info.MaxSegments > 1 {
			req.Bufs = split(data, []int64{cut}) // a cut at 0 makes an empty segment
		}
	}
	return req
}

// learn takes over what the disk has now.
func (m *model) learn(r *rig) {
	for at := int64(0); at < int64(len(m.data)); at += 16 * r.block {
		copy(m.data[at:], r.read(at, 16*r.block))
	}
	for i := range m.known {
		m.known[i] = true
	}
}

func (m *model) apply(r *rig, req *blockio.Request) {
	first, end := req.Offset/r.block, (req.Offset+req.Length)/r.block
	switch req.Op {
	case blockio.Read:
		at := req.Offset
		var all []byte
		for _, b := range req.Bufs {
			all = append(all, b...)
		}
		m.compare(r, at, all)
		return
	case blockio.Write, blockio.WriteZeroes:
		part := m.data[req.Offset : req.Offset+req.Length]
		clear(part)
		for _, b := range req.Bufs {
			if !r.Forgets {
				copy(part, b)
			}
			part = part[len(b):]
		}
	}
	for i := first; i < end; i++ {
		m.known[i] = req.Op != blockio.Discard
	}
}

func (m *model) compare(r *rig, at int64, got []byte) {
	r.Helper()
	for i, b := range got {
		if j := at + int64(i); m.known[j/r.block] && b != m.data[j] {
			r.Fatalf("byte %d is %#x, the model has %#x", j, b, m.data[j])
		}
	}
}
