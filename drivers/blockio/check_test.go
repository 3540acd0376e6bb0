package blockio

import (
	"errors"
	"math"
	"testing"
)

func testInfo() Info {
	return Info{
		Size: 1 << 20, LogicalBlock: 512, PhysicalBlock: 4096, CanFUA: true, CanDiscard: true, CanWriteZeroes: true,
		MaxTransfer: 8192, MaxSegments: 4, MaxDiscard: 1 << 19, MaxWriteZeroes: 1 << 18, QueueDepth: 1,
	}
}

func bufs(sizes ...int) (out [][]byte) {
	for _, n := range sizes {
		out = append(out, make([]byte, n))
	}
	return out
}

func TestCheck(t *testing.T) {
	const mib = 1 << 20
	none := func(*Info) {}
	for _, c := range []struct {
		name string
		disk func(*Info)
		r    Request
		want error
	}{
		{"read", none, Request{Op: Read, Length: 512, Bufs: bufs(512)}, nil},
		{"last block", none, Request{Op: Write, Offset: mib - 512, Length: 512, Bufs: bufs(512)}, nil},
		{"odd segments", none, Request{Op: Write, FUA: true, Length: 1024, Bufs: bufs(1, 1000, 23)}, nil},
		{"flush of a read-only disk", func(i *Info) { i.ReadOnly = true }, Request{Op: Flush}, nil},
		{"longest discard", none, Request{Op: Discard, Length: 1 << 19}, nil},
		{"zeroes with FUA", none, Request{Op: WriteZeroes, FUA: true, Length: 512}, nil},

		{"no operation", none, Request{Length: 512, Bufs: bufs(512)}, ErrBadRequest},
		{"unknown operation", none, Request{Op: 99, Length: 512}, ErrBadRequest},
		{"nothing to read", none, Request{Op: Read}, ErrBadRequest},
		{"negative length", none, Request{Op: Discard, Length: -512}, ErrBadRequest},
		{"buffers short", none, Request{Op: Read, Length: 1024, Bufs: bufs(512)}, ErrBadRequest},
		{"buffers long", none, Request{Op: Read, Length: 512, Bufs: bufs(512, 512)}, ErrBadRequest},
		{"empty segment", none, Request{Op: Read, Length: 512, Bufs: bufs(512, 0)}, ErrBadRequest},
		{"flush with a range", none, Request{Op: Flush, Length: 512}, ErrBadRequest},
		{"flush with FUA", none, Request{Op: Flush, FUA: true}, ErrBadRequest},
		{"read with FUA", none, Request{Op: Read, FUA: true, Length: 512, Bufs: bufs(512)}, ErrBadRequest},
		{"discard with FUA", none, Request{Op: Discard, FUA: true, Length: 512}, ErrBadRequest},
		{"zeroes with data", none, Request{Op: WriteZeroes, Length: 512, Bufs: bufs(512)}, ErrBadRequest},

		{"no FUA", func(i *Info) { i.CanFUA = false }, Request{Op: Write, FUA: true, Length: 512, Bufs: bufs(512)}, ErrNotSupported},
		{"no discard", func(i *Info) { i.CanDiscard = false }, Request{Op: Discard, Length: 512}, ErrNotSupported},
		{"no zeroes", func(i *Info) { i.CanWriteZeroes = false }, Request{Op: WriteZeroes, Length: 512}, ErrNotSupported},
		{"read-only", func(i *Info) { i.ReadOnly = true }, Request{Op: Write, Length: 512, Bufs: bufs(512)}, ErrReadOnly},
		{"offset between blocks", none, Request{Op: Discard, Offset: 1, Length: 512}, ErrAlignment},
		{"half a block", none, Request{Op: Read, Length: 256, Bufs: bufs(256)}, ErrAlignment},
		{"one block too far", none, Request{Op: Discard, Offset: mib, Length: 512}, ErrRange},
		{"over the end", none, Request{Op: Discard, Offset: mib - 512, Length: 1024}, ErrRange},
		{"sum overflows", none, Request{Op: Discard, Offset: math.MaxInt64 - 511, Length: math.MaxInt64 - 511}, ErrRange},
		{"negative offset", none, Request{Op: Discard, Offset: -512, Length: 512}, ErrRange},
		{"no medium", func(i *Info) { i.Size = 0 }, Request{Op: Discard, Length: 512}, ErrRange},
		{"long read", none, Request{Op: Read, Length: 8704, Bufs: bufs(8704)}, ErrTooLarge},
		{"long discard", none, Request{Op: Discard, Length: 1<<19 + 512}, ErrTooLarge},
		{"long zeroes", none, Request{Op: WriteZeroes, Length: 1<<18 + 512}, ErrTooLarge},
		{"many segments", none, Request{Op: Read, Length: 512, Bufs: bufs(100, 100, 100, 100, 112)}, ErrTooLarge},
	} {
		info := testInfo()
		c.disk(&info)
		if got := Check(&info, &c.r); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestInfoValid(t *testing.T) {
	info := testInfo()
	if err := info.Valid(); err != nil {
		t.Fatal(err)
	}
	for i, spoil := range []func(*Info){
		func(i *Info) { i.LogicalBlock = 256 },
		func(i *Info) { i.LogicalBlock = 1000 },
		func(i *Info) { i.PhysicalBlock = 256 },
		func(i *Info) { i.Size = 100 },
		func(i *Info) { i.Size = -512 },
		func(i *Info) { i.MaxTransfer = 0 },
		func(i *Info) { i.MaxSegments = 0 },
		func(i *Info) { i.QueueDepth = 0 },
		func(i *Info) { i.CanDiscard = false },
		func(i *Info) { i.MaxWriteZeroes = 0 },
	} {
		info := testInfo()
		spoil(&info)
		if err := info.Valid(); !errors.Is(err, ErrBadInfo) {
			t.Errorf("case %d: %v", i, err)
		}
	}
}

// FuzzCheck: whatever Check lets through is within the disk and its buffers.
func FuzzCheck(f *testing.F) {
	f.Add(uint8(1), false, int64(0), int64(512), uint16(512), uint16(0))
	f.Add(uint8(4), false, int64(math.MaxInt64-511), int64(1024), uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, op uint8, fua bool, off, length int64, a, b uint16) {
		info := testInfo()
		r := Request{Op: Op(op), FUA: fua, Offset: off, Length: length}
		if a > 0 || b > 0 {
			r.Bufs = bufs(int(a), int(b))
		}
		if Check(&info, &r) != nil || r.Op == Flush {
			return
		}
		if off < 0 || length <= 0 || off%512 != 0 || length%512 != 0 || uint64(off)+uint64(length) > uint64(info.Size) {
			t.Errorf("%v at %d, %d bytes was let through", r.Op, off, length)
		}
		if data := r.Op == Read || r.Op == Write; data && int64(a)+int64(b) != length || !data && a|b != 0 {
			t.Errorf("%v of %d bytes with buffers %d and %d was let through", r.Op, length, a, b)
		}
	})
}
