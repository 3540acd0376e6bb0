package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"basalt/vmkernel/linux"
	"basalt/vmkernel/vcpu/hostcpu"
)

// liveUnpark calls linux.Unpark as a run loop does: interrupts off, values in the
// vector registers. lost is not 0 if one of them, or the interrupt flag, is changed.
func liveUnpark(word *uint32) (lost uint64)

// unpark is what liveUnpark calls: assembly reaches Go of its own package only.
//
//go:nosplit
func unpark(word *uint32) { linux.Unpark(word) }

var _ = unpark

// parks passes a turn to and fro between two threads that sleep like virtual CPUs.
// A wake-up that is lost ends the run: nobody else wakes them.
func parks(stop *atomic.Bool, count *atomic.Uint64) error {
	var turn [2]uint32
	var bad atomic.Uint64
	over := make(chan struct{}, 2)
	for me := range turn {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for !stop.Load() && bad.Load() == 0 {
				hostcpu.Block(func() {
					for atomic.LoadUint32(&turn[me]) == 0 {
						linux.Park(&turn[me], 0, 0)
					}
					atomic.StoreUint32(&turn[me], 0)
					atomic.StoreUint32(&turn[1-me], 1)
					if lost := liveUnpark(&turn[1-me]); lost != 0 {
						bad.Store(lost)
					}
				})
				count.Add(1)
			}
			hostcpu.Block(func() {
				atomic.StoreUint32(&turn[1-me], 1)
				linux.Unpark(&turn[1-me])
			})
			over <- struct{}{}
		}()
	}
	hostcpu.Block(func() {
		atomic.StoreUint32(&turn[0], 1)
		linux.Unpark(&turn[0])
	})
	<-over
	<-over
	if b := bad.Load(); b != 0 {
		return fmt.Errorf("linux.Unpark changed a register of its caller: %#x", b)
	}
	if count.Load() == 0 {
		return errors.New("nobody had a turn")
	}
	return nil
}
