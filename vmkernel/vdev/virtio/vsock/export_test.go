package vsock

// Ready is how many connections wait for their turn to send.
func (d *Device) Ready() int {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	return len(d.m.ready)
}
