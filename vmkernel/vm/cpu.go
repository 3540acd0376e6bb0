package vm

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"basalt/vmkernel/vcpu"
)

// cpu is the goroutine of one virtual CPU.
type cpu struct {
	v     *vcpu.VCPU
	run   chan struct{}
	done  chan struct{}
	spent atomic.Int64 // ns inside Run
	// running is the owner's: it was told to run and has not reported.
	running bool
	// call is what the next turn does instead of running the guest: work on the
	// processor's state that only its own thread may do. The owner sets it.
	call  func()
	since atomic.Int64 // when Run began, in ns of the host's clock; 0: not in it
}

// stopped is the report of a virtual CPU to the owner.
type stopped struct {
	c    *cpu
	stop vcpu.Stop
}

var hostStart = time.Now()

func newCPU(p *Platform, id string, share Entitlement, v *vcpu.VCPU, report chan<- stopped) *cpu {
	c := &cpu{v: v, run: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if p.Pin != nil {
			defer p.Pin(id, v.Index)()
		}
		if share != nil {
			defer share.Bind(v.Index, v.GuestWord())()
		}
		for range c.run {
			report <- stopped{c, c.once(p, id)}
		}
	}()
	return c
}

// once runs the guest until it stops. A panic is a bug of ours: it costs the
// machine, not the host.
func (c *cpu) once(p *Platform, id string) (s vcpu.Stop) {
	t := time.Now()
	c.since.Store(int64(t.Sub(hostStart)) + 1)
	defer func() {
		c.since.Store(0)
		c.spent.Add(int64(time.Since(t)))
		if e := recover(); e != nil {
			p.log("vm %s: CPU %d: internal error: %v\n%s", id, c.v.Index, e, debug.Stack())
			s = vcpu.Stop{Kind: vcpu.StopCrashed, Reason: fmt.Sprintf("internal error in the VMkernel: %v", e)}
		}
	}()
	if f := c.call; f != nil {
		c.call = nil
		f()
		return vcpu.Stop{Kind: vcpu.StopRequested}
	}
	return c.v.Run()
}

// time is the host time spent in Run.
func (c *cpu) time() time.Duration {
	d := time.Duration(c.spent.Load())
	if t := c.since.Load(); t != 0 {
		d += time.Since(hostStart) - time.Duration(t-1)
	}
	return d
}
