package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"basalt/vmkernel/host"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vm"
)

// many starts n machines of 64 MiB that halt, and says what each takes of the host's
// memory besides its own frames: after a collection, with what the collector keeps
// for later given back.
func many(m *vm.Manager, n int) error {
	used := func() (frames, heap, threads uint64) {
		debug.FreeOSMemory()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		st := pmem.Read()
		n, _ := runtime.ThreadCreateProfile(nil)
		return st.Total - st.Free, s.HeapAlloc, uint64(n)
	}
	before, heap0, threads0 := used()
	var own uint64
	var machines []host.VM
	for i := range n {
		v, l, err := startConf(m, host.Config{ID: fmt.Sprintf("halt%d", i), Name: fmt.Sprintf("halt%d", i), CPUs: 1, MemoryMiB: 64}, "halt", nil)
		if err != nil {
			return fmt.Errorf("machine %d: %w", i, err)
		}
		for line := ""; line != "halting"; {
			if line, err = l.next(); err != nil {
				return err
			}
		}
		machines = append(machines, v)
	}
	after, heap1, threads1 := used()
	for _, v := range machines {
		s := v.Status()
		if s.State != host.StateRunning {
			return fmt.Errorf("machine %s is %v", v.Config().ID, s.State)
		}
		own += s.MemoryUsed
	}
	fmt.Printf("many %d host %d guests %d heap %d threads %d\n", n, after-before, own, heap1-heap0, threads1-threads0)
	fmt.Println("row machine_bytes", n, after-before-own)
	return nil
}
