package host

import "context"

// Send queues input for the guest as far as there is room and returns how many
// bytes it took; it never blocks.
func (c *Console) Send(p []byte) int {
	c.mu.Lock()
	n := 0
	if !c.closed {
		n = min(len(p), ConsoleInputSize-len(c.in))
		c.in = append(c.in, p[:n]...)
	}
	f := c.onInput
	c.mu.Unlock()
	if n > 0 && f != nil {
		f()
	}
	return n
}

// SendAll queues all of p and waits for room as long as ctx allows. It returns
// how many bytes were queued.
func (c *Console) SendAll(ctx context.Context, p []byte) (int, error) {
	done := 0
	for {
		done += c.Send(p[done:])
		if done == len(p) {
			return done, nil
		}
		c.mu.Lock()
		closed, room := c.closed, len(c.in) < ConsoleInputSize
		c.mu.Unlock()
		if closed {
			c.passOn()
			return done, ErrClosed
		}
		if room {
			continue
		}
		select {
		case <-c.inFree:
			c.passOn()
		case <-ctx.Done():
			return done, ctx.Err()
		}
	}
}

// passOn wakes the next waiting sender when there is still something for it.
func (c *Console) passOn() {
	c.mu.Lock()
	again := c.closed || len(c.in) < ConsoleInputSize
	c.mu.Unlock()
	if again {
		select {
		case c.inFree <- struct{}{}:
		default:
		}
	}
}

// Receive takes queued input for the device; it never blocks or allocates.
func (c *Console) Receive(p []byte) int {
	c.mu.Lock()
	n := copy(p, c.in)
	rest := copy(c.in, c.in[n:])
	c.in = c.in[:rest]
	c.mu.Unlock()
	if n > 0 {
		select {
		case c.inFree <- struct{}{}:
		default:
		}
	}
	return n
}

// Pending is the number of input bytes that wait for the device.
func (c *Console) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.in)
}

// DropInput forgets queued input; a start of the machine calls it.
func (c *Console) DropInput() {
	c.mu.Lock()
	c.in = c.in[:0]
	c.mu.Unlock()
	select {
	case c.inFree <- struct{}{}:
	default:
	}
}

// OnInput sets what is called, without locks held, each time input was queued:
// the device raises its interrupt there. It must not block.
func (c *Console) OnInput(f func()) {
	c.mu.Lock()
	c.onInput = f
	c.mu.Unlock()
}
