package virtio

import (
	"context"
	"fmt"
)

// wait waits until ok, which is called with d.mu held as it is here, or until the
// context ends.
func (d *Device) wait(ctx context.Context, what string, ok func() bool) error {
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.settled.Broadcast()
	})
	defer stop()
	for !ok() {
		if ctx.Err() != nil {
			return fmt.Errorf("virtio: %s: %s: requests are still in flight: %w", d.cfg.Name, what, context.Cause(ctx))
		}
		d.settled.Wait()
	}
	return nil
}

// Pause takes no more chains and waits until nothing is in flight: then the device
// neither reads nor writes guest memory until Resume. When the context ends
// earlier, the device is still pausing: call Resume, or Pause again. Pausing what
// is paused is harmless.
func (d *Device) Pause(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.epoch.Load()%2 == 0 {
		d.epoch.Add(1)
	}
	epoch := d.epoch.Load()
	d.ringAll()
	return d.wait(ctx, "pause", func() bool { return d.epoch.Load() != epoch || d.quiet() })
}

// quiet says whether every queue has seen the pause with nothing out. d.mu is
// held.
func (d *Device) quiet() bool {
	epoch := d.epoch.Load()
	for _, q := range d.queues {
		if q.worker && q.seen != epoch {
			return false
		}
	}
	return epoch%2 != 0
}

// Resume ends a pause. Work that waits is begun.
func (d *Device) Resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.epoch.Load()%2 != 0 {
		d.epoch.Add(1)
		d.ringAll()
		d.settled.Broadcast()
	}
}

// Reset implements vbus.Device: the reset of the machine, the slot or the function.
// It does not wait: if something is in flight, the guest sees a status that is not
// 0 until that is done. A pause is not ended.
func (d *Device) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.resetting && !d.closing {
		d.reset()
	}
}

// ResetDone waits until no reset is going on.
func (d *Device) ResetDone(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wait(ctx, "reset", func() bool { return !d.resetting })
}

// Close unplugs the device: registers answer no more, queues end, and when nothing
// is in flight the goroutines and the model end, too. When the context ends
// earlier that still happens later, but for the model: call Close again.
func (d *Device) Close(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing = true
	for _, q := range d.queues {
		q.stop()
	}
	d.ringAll()
	if err := d.wait(ctx, "close", func() bool { return d.workers == 0 }); err != nil {
		return err
	}
	if !d.closed {
		d.closed = true
		d.setISR(0, 0)
		d.closeBells()
		d.cfg.Model.Close()
	}
	return nil
}
