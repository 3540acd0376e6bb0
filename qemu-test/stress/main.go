package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "basalt/vmkernel/linux"
)

type worker struct {
	name string
	f    func(stop *atomic.Bool, n *atomic.Uint64) error
}

func main() {
	d := flag.Duration("time", 5*time.Second, "how long to run")
	only := flag.String("only", "", "comma-separated workers; all if empty")
	flag.Parse()
	fmt.Printf("stress: %s on %d CPUs for %v\n", runtime.Version(), runtime.NumCPU(), *d)
	workers := []worker{
		{"churn", churn}, {"channels", channels}, {"mutexes", mutexes}, {"timers", timers},
		{"netpoll", netpoll}, {"faults", faults}, {"spin", spin}, {"stacks", stacks}, {"gc", collect},
		{"frames", frames}, {"windows", windows}, {"threads", threads}, {"floats", floats}, {"logs", logs}, {"parks", parks}, {"pinned", pinned},
	}
	if *only != "" {
		workers = slices.DeleteFunc(workers, func(w worker) bool {
			return !slices.Contains(strings.Split(*only, ","), w.name)
		})
	}
	var stop atomic.Bool
	counts := make([]atomic.Uint64, len(workers))
	errs := make(chan error, len(workers))
	for i, w := range workers {
		go func() {
			err := w.f(&stop, &counts[i])
			if err != nil {
				err = fmt.Errorf("%s: %w", w.name, err)
			}
			errs <- err
		}()
	}
	start := time.Now()
	end := time.After(*d)
	tick := time.NewTicker(*d / 4)
	for left := len(workers); left > 0; {
		select {
		case err := <-errs:
			left--
			if err != nil {
				fmt.Println("stress: FAIL:", err)
				os.Exit(1)
			}
		case <-tick.C:
			for i, w := range workers {
				fmt.Printf("%s=%d ", w.name, counts[i].Load())
			}
			fmt.Println()
		case <-end:
			stop.Store(true)
		}
	}
	for i, w := range workers {
		if counts[i].Load() == 0 {
			fmt.Printf("stress: FAIL: %s did nothing\n", w.name)
			os.Exit(1)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("stress: PASS after %v, %d collections, %d MiB from the system\n", time.Since(start).Round(time.Millisecond), m.NumGC, m.Sys>>20)
}

type node struct {
	left, right *node
	sum         [32]byte
}

func build(depth int) *node {
	n := &node{}
	if depth > 0 {
		n.left, n.right = build(depth-1), build(depth-1)
	}
	n.sum = n.hash()
	return n
}

func (n *node) hash() [32]byte {
	var b []byte
	if n.left != nil {
		b = append(append(b, n.left.sum[:]...), n.right.sum[:]...)
	}
	return sha256.Sum256(b)
}

func (n *node) check() bool {
	return n.hash() == n.sum && (n.left == nil || n.left.check() && n.right.check())
}

func churn(stop *atomic.Bool, count *atomic.Uint64) error {
	keep := build(10)
	for !stop.Load() {
		if t := build(8); !t.check() || !keep.check() {
			return errors.New("a tree changed under the collector")
		}
		count.Add(1)
	}
	return nil
}

func channels(stop *atomic.Bool, count *atomic.Uint64) error {
	for !stop.Load() {
		const n, each = 50, 40
		c := make(chan int)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for k := range each {
					c <- i * k
				}
			})
		}
		go func() { wg.Wait(); close(c) }()
		sum := 0
		for v := range c {
			sum += v
		}
		if want := n * (n - 1) / 2 * each * (each - 1) / 2; sum != want {
			return fmt.Errorf("sum %d, want %d", sum, want)
		}
		count.Add(1)
	}
	return nil
}

func mutexes(stop *atomic.Bool, count *atomic.Uint64) error {
	for !stop.Load() {
		var mu sync.Mutex
		var wg sync.WaitGroup
		total := 0
		for range 8 {
			wg.Go(func() {
				for range 500 {
					mu.Lock()
					total++
					if total%97 == 0 {
						runtime.Gosched()
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if total != 4000 {
			return fmt.Errorf("total %d, want 4000", total)
		}
		count.Add(1)
	}
	return nil
}

func timers(stop *atomic.Bool, count *atomic.Uint64) error {
	for !stop.Load() {
		before := time.Now()
		var got []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Add(1)
			time.AfterFunc(time.Duration(i)*time.Millisecond, func() {
				mu.Lock()
				got = append(got, i)
				mu.Unlock()
				wg.Done()
			})
		}
		wg.Wait()
		if e := time.Since(before); e < 19*time.Millisecond {
			return fmt.Errorf("20 timers of up to 19 ms were over after %v", e)
		}
		sort.Ints(got)
		for i, v := range got {
			if i != v {
				return fmt.Errorf("timers fired as %v", got)
			}
		}
		count.Add(1)
	}
	return nil
}

// netpoll passes numbers through eventfds that the runtime polls.
func netpoll(stop *atomic.Bool, count *atomic.Uint64) error {
	fd, _, e := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if e != 0 {
		return e
	}
	f := os.NewFile(fd, "eventfd")
	defer f.Close()
	back := make(chan uint64)
	go func() {
		var b [8]byte
		for {
			if _, err := f.Read(b[:]); err != nil {
				close(back)
				return
			}
			back <- uint64(b[0]) | uint64(b[1])<<8
		}
	}()
	for i := uint64(1); !stop.Load(); i = i%60000 + 1 {
		b := [8]byte{byte(i), byte(i >> 8)}
		if _, err := f.Write(b[:]); err != nil {
			return err
		}
		if v := <-back; v != i {
			return fmt.Errorf("read %d, wrote %d", v, i)
		}
		count.Add(1)
	}
	return nil
}

var zero int

func faults(stop *atomic.Bool, count *atomic.Uint64) error {
	for !stop.Load() {
		for name, f := range map[string]func(){
			"nil":    func() { var p *int; *p = 1 },
			"divide": func() { _ = 1 / zero },
			"far":    func() { var p *[1 << 20]int; p[100000]++ },
		} {
			if err := catch(f); err == nil {
				return fmt.Errorf("%s: no panic", name)
			}
		}
		count.Add(1)
	}
	return nil
}

func catch(f func()) (err any) {
	defer func() { err = recover() }()
	f()
	return nil
}

// spin holds a processor with a loop that has no call in it.
func spin(stop *atomic.Bool, count *atomic.Uint64) error {
	x := uint64(1)
	for !stop.Load() {
		for range 5_000_000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		count.Add(1)
		runtime.Gosched()
	}
	if x == 0 {
		return errors.New("xorshift reached zero")
	}
	return nil
}

func stacks(stop *atomic.Bool, count *atomic.Uint64) error {
	for !stop.Load() {
		c := make(chan int)
		go func() { c <- deep(2000) }()
		if v := <-c; v != 2000*2001/2 {
			return fmt.Errorf("recursion gave %d", v)
		}
		count.Add(1)
	}
	return nil
}

func deep(n int) int {
	var pad [64]byte
	pad[n%64] = byte(n)
	if n == 0 {
		return 0
	}
	return n + deep(n-1) + int(pad[n%64]) - int(byte(n))
}

func collect(stop *atomic.Bool, count *atomic.Uint64) error {
	for !stop.Load() {
		runtime.GC()
		count.Add(1)
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}
