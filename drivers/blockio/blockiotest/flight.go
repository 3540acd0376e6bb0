package blockiotest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing/synctest"

	"basalt/drivers/blockio"
)

// reuseInDone chains requests: each Done submits the same request again.
func reuseInDone(r *rig) {
	const rounds = 20
	data := r.fill(r.block, 1)
	finished := make(chan error, 1)
	req := &blockio.Request{Op: blockio.Write, Length: r.block, Bufs: [][]byte{data}}
	batch := []*blockio.Request{req}
	n := 0
	req.Done = func(q *blockio.Request) {
		n++
		if q.Err != nil || n == rounds {
			finished <- q.Err
			return
		}
		q.Offset = int64(n) * r.block
		r.disk.Submit(batch)
	}
	r.disk.Submit(batch)
	if err := <-finished; err != nil {
		r.Fatal(err)
	}
	for i := range int64(rounds) {
		r.expect(i*r.block, data)
	}
}

// concurrentBatches: goroutines with a region each write, read and compare.
func concurrentBatches(r *rig) {
	const workers, rounds, width = 8, 30, 4
	region := r.info.Size / workers / r.block * r.block
	var wg sync.WaitGroup
	for w := range int64(workers) {
		wg.Go(func() {
			wait := blockio.NewWaiter()
			var out, in [width]blockio.Request
			var outs, ins []*blockio.Request
			for i := range out {
				outs, ins = append(outs, &out[i]), append(ins, &in[i])
			}
			for round := range int64(rounds) {
				for i := range int64(width) {
					off := w*region + (round*width+i)*2%(region/r.block)*r.block
					out[i] = blockio.Request{Op: blockio.Write, Offset: off, Length: r.block, Bufs: [][]byte{r.fill(r.block, byte(w*50+round+i))}}
					in[i] = blockio.Request{Op: blockio.Read, Offset: off, Length: r.block, Bufs: [][]byte{make([]byte, r.block)}}
				}
				err := errors.Join(wait.Do(r.disk, outs), wait.Do(r.disk, ins))
				if err != nil {
					r.Errorf("worker %d: %v", w, err)
					return
				}
				for i := range in {
					if !r.Forgets && string(in[i].Bufs[0]) != string(out[i].Bufs[0]) {
						r.Errorf("worker %d, round %d: read something else at %d", w, round, in[i].Offset)
					}
				}
			}
			if err := wait.Do(r.disk, []*blockio.Request{{Op: blockio.Flush}}); err != nil {
				r.Errorf("worker %d: flush: %v", w, err)
			}
		})
	}
	wg.Wait()
}

// overlappingWrites: whatever wins, no block is a mixture.
func overlappingWrites(r *rig) {
	const writers, blocks = 8, 8
	batch := make([]*blockio.Request, writers)
	for i := range batch {
		data := make([]byte, blocks*r.block)
		for j := range data {
			data[j] = byte(i + 1)
		}
		batch[i] = &blockio.Request{Op: blockio.Write, Length: blocks * r.block, Bufs: [][]byte{data}}
	}
	var wg sync.WaitGroup
	for half := range 2 {
		wg.Go(func() {
			if err := blockio.NewWaiter().Do(r.disk, batch[half*writers/2:(half+1)*writers/2]); err != nil {
				r.Error(err)
			}
		})
	}
	wg.Wait()
	r.uniform(r.read(0, blocks*r.block), writers)
}

// uniform checks that each block has one value in all its bytes, from 0 or, if
// the disk remembers, 1 up to most.
func (r *rig) uniform(data []byte, most byte) {
	r.Helper()
	for at := int64(0); at < int64(len(data)); at += r.block {
		first := data[at]
		if first > most {
			r.Fatalf("block at %d has the unknown value %d", at, first)
		}
		for _, b := range data[at : at+r.block] {
			if b != first {
				r.Fatalf("block at %d is a mixture of %d and %d", at, first, b)
			}
		}
	}
}

// closeInFlight: every request that was submitted completes exactly once, and
// none after Close has returned.
func closeInFlight(r *rig) {
	const workers, batches, width = 4, 50, 8
	var submitted, completed, late atomic.Int64
	var closed atomic.Bool
	var wg sync.WaitGroup
	started := make(chan struct{}, workers)
	counts := make([]atomic.Int64, workers*batches*width)
	for w := range workers {
		wg.Go(func() {
			for b := range batches {
				batch := make([]*blockio.Request, width)
				for i := range batch {
					id := (w*batches+b)*width + i
					batch[i] = &blockio.Request{Op: blockio.Write, Offset: int64(id) % 1000 * r.block, Length: r.block, Bufs: [][]byte{r.fill(r.block, 1)}}
					batch[i].Done = func(q *blockio.Request) {
						if q.Err == nil && closed.Load() {
							late.Add(1)
						} else if q.Err != nil && !errors.Is(q.Err, blockio.ErrClosed) {
							r.Errorf("request during Close: %v", q.Err)
						}
						counts[id].Add(1)
						completed.Add(1)
					}
				}
				submitted.Add(width)
				r.disk.Submit(batch)
				if b == batches/4 {
					started <- struct{}{}
				}
			}
		})
	}
	<-started
	if err := r.disk.Close(); err != nil {
		r.Error(err)
	}
	closed.Store(true)
	wg.Wait()
	if submitted.Load() != completed.Load() || late.Load() != 0 {
		r.Errorf("%d submitted, %d completed, %d carried out after Close", submitted.Load(), completed.Load(), late.Load())
	}
	for id := range counts {
		if n := counts[id].Load(); n != 1 {
			r.Errorf("request %d completed %d times", id, n)
		}
	}
}

// closeWaitsForDone: Close does not return while a Done still runs. This one
// waits, which no other caller may do.
func closeWaitsForDone(r *rig) {
	running, goOn := make(chan struct{}), make(chan struct{})
	closed := make(chan error, 1)
	req := &blockio.Request{Op: blockio.Flush, Done: func(*blockio.Request) {
		close(running)
		<-goOn
	}}
	go r.disk.Submit([]*blockio.Request{req})
	<-running
	go func() { closed <- r.disk.Close() }()
	synctest.Wait()
	if len(closed) != 0 {
		r.Error("Close returned before Done had")
	}
	close(goOn)
	if err := <-closed; err != nil {
		r.Error(err)
	}
}

func afterClose(r *rig) {
	r.disk.Close()
	if err := r.disk.Close(); err != nil { // twice is harmless
		r.Errorf("second Close: %v", err)
	}
	r.allFail(blockio.ErrClosed)
	if r.disk.Info().Size != r.info.Size || r.disk.Name() == "" {
		r.Error("Info or Name does not answer after Close")
	}
}

func hotRemoval(r *rig) {
	if r.Remove == nil {
		r.Skip("the disk cannot be pulled out")
	}
	r.Remove()
	r.allFail(blockio.ErrGone)
	r.disk.Close()
	r.allFail(blockio.ErrClosed)
}

func (r *rig) allFail(want error) {
	r.Helper()
	for _, req := range []blockio.Request{
		{Op: blockio.Read, Length: r.block, Bufs: [][]byte{make([]byte, r.block)}},
		{Op: blockio.Write, Length: r.block, Bufs: [][]byte{make([]byte, r.block)}},
		{Op: blockio.Flush},
	} {
		if err := r.do(req); !errors.Is(err, want) {
			r.Errorf("%v: %v, want %v", req.Op, err, want)
		}
	}
}
