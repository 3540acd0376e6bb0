package nulldisk_test

import (
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/blockiotest"
	"basalt/drivers/blockio/nulldisk"
)

func open(t testing.TB) blockiotest.Setup {
	d, err := nulldisk.New("null0", 2<<20, 512)
	if err != nil {
		t.Fatal(err)
	}
	return blockiotest.Setup{Disk: d, Forgets: true}
}

func TestConformance(t *testing.T) { blockiotest.Run(t, open) }

func FuzzOps(f *testing.F) { blockiotest.Fuzz(f, open) }

// BenchmarkSubmit is what the seam itself costs for a batch of 32 writes.
func BenchmarkSubmit(b *testing.B) {
	d, err := nulldisk.New("null0", 1<<30, 4096)
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 4096)
	batch := make([]*blockio.Request, 32)
	for i := range batch {
		batch[i] = &blockio.Request{Op: blockio.Write, Length: 4096, Bufs: [][]byte{data}, Done: func(*blockio.Request) {}}
	}
	b.ReportAllocs()
	for b.Loop() {
		d.Submit(batch)
	}
}
