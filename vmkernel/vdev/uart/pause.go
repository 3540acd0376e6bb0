package uart

import "context"

// Pause implements vbus.Pausable: input stays with the backend, and so does what waits
// for it here. What came after the state was saved would be in no state, and output
// would come twice.
func (u *UART) Pause(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.paused = true
	return nil
}

// Resume implements vbus.Pausable.
func (u *UART) Resume() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.paused {
		return
	}
	u.paused = false
	u.fill()
	u.drain()
	u.update()
}
