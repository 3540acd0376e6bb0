package blk_test

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// spy looks at what reaches a disk, and says other things about it.
type spy struct {
	blockio.Disk
	change func(*blockio.Info)
	mu     sync.Mutex
	log    []op
}

type op struct {
	op             blockio.Op
	fua            bool
	offset, length int64
	bufs           int
}

func (s *spy) Info() blockio.Info {
	i := s.Disk.Info()
	if s.change != nil {
		s.change(&i)
	}
	return i
}

func (s *spy) Submit(batch []*blockio.Request) {
	s.mu.Lock()
	for _, r := range batch {
		s.log = append(s.log, op{r.Op, r.FUA, r.Offset, r.Length, len(r.Bufs)})
	}
	s.mu.Unlock()
	info := s.Info()
	for _, r := range batch {
		if err := blockio.Check(&info, r); err != nil {
			panic(err) // the device asks for nothing that the disk refuses
		}
	}
	s.Disk.Submit(batch)
}

func (s *spy) take() []op {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.log
	s.log = nil
	return l
}

const size = 4 << 20

func ram(t testing.TB, c ramdisk.Config) *ramdisk.Disk {
	t.Helper()
	if c.Size == 0 {
		c.Size = size
	}
	d, err := ramdisk.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

type rig struct {
	*virtiotest.Driver
	dev *blk.Device
}

func newRig(t testing.TB, c blk.Config) *rig {
	t.Helper()
	mem := virtiotest.NewMemory(t, 8<<20)
	c.Name, c.Memory = "disk0", mem
	dev, err := blk.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &rig{Driver: virtiotest.Connect(t, dev, mem), dev: dev}
}

const (
	headerAt = virtiotest.DataAt
	statusAt = virtiotest.DataAt + 0x100
	tableAt  = virtiotest.DataAt + 0x1000
	dataAt   = 2<<20 - 0x1800 // across a frame border
)

// header writes a request header.
func (r *rig) header(at uint64, kind uint32, sector uint64) {
	r.Mem.PutUint64(at, uint64(kind))
	r.Mem.PutUint64(at+8, sector)
}

// run makes segs available on queue i and waits for the answer.
func (r *rig) run(i int, segs ...vringtest.Seg) (written uint32, status uint8) {
	r.T.Helper()
	r.Mem.PutUint8(statusAt, 0xee)
	r.Rings[i].Add(segs...)
	r.Kick(i)
	_, written = r.Take(i)
	status, _ = r.Mem.Uint8(statusAt)
	return written, status
}

func in(at uint64, n uint32) vringtest.Seg  { return vringtest.Seg{Addr: at, Len: n, Write: true} }
func out(at uint64, n uint32) vringtest.Seg { return vringtest.Seg{Addr: at, Len: n} }

var (
	head = out(headerAt, spec.BlkReqSize)
	tail = in(statusAt, 1)
)

// request is the usual layout: header, data, status.
func (r *rig) request(i int, kind uint32, sector uint64, data ...vringtest.Seg) (uint32, uint8) {
	r.T.Helper()
	r.header(headerAt, kind, sector)
	return r.run(i, slices.Concat([]vringtest.Seg{head}, data, []vringtest.Seg{tail})...)
}

func (r *rig) write(i int, sector uint64, p []byte) uint8 {
	r.T.Helper()
	if err := r.Mem.Write(dataAt, p); err != nil {
		r.T.Fatal(err)
	}
	_, s := r.request(i, spec.BlkTOut, sector, out(dataAt, uint32(len(p))))
	return s
}

func (r *rig) read(i int, sector uint64, n int) ([]byte, uint8) {
	r.T.Helper()
	_, s := r.request(i, spec.BlkTIn, sector, in(dataAt, uint32(n)))
	p := make([]byte, n)
	if err := r.Mem.Read(dataAt, p); err != nil {
		r.T.Fatal(err)
	}
	return p, s
}

// ranges runs a discard or write zeroes.
func (r *rig) ranges(kind uint32, list ...[3]uint64) uint8 {
	r.T.Helper()
	var b []byte
	for _, e := range list {
		b = binary.LittleEndian.AppendUint64(b, e[0])
		b = binary.LittleEndian.AppendUint32(b, uint32(e[1]))
		b = binary.LittleEndian.AppendUint32(b, uint32(e[2]))
	}
	if err := r.Mem.Write(dataAt, b); err != nil {
		r.T.Fatal(err)
	}
	_, s := r.request(0, kind, 0, out(dataAt, uint32(len(b))))
	return s
}

func pattern(n int, seed byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i>>9) ^ byte(i)*7 ^ seed
	}
	return p
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

const (
	flush  = 1 << spec.BlkFFlush
	wce    = 1 << spec.BlkFConfigWCE
	ranged = 1<<spec.BlkFDiscard | 1<<spec.BlkFWriteZeroes
)

var kinds = map[string]uint64{
	"split":  flush | 1<<spec.FRingIndirectDesc,
	"events": flush | 1<<spec.FRingEventIdx | 1<<spec.FRingIndirectDesc,
	"packed": flush | 1<<spec.FRingPacked | 1<<spec.FRingEventIdx | 1<<spec.FRingIndirectDesc,
}
