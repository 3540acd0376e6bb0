package pcie

import (
	"context"

	"basalt/vmkernel/vbus"
)

var _ vbus.Pausable = (*Endpoint)(nil)

// Pause implements vbus.Pausable for a function that works by itself.
func (e *Endpoint) Pause(ctx context.Context) error {
	if p, ok := e.f.(vbus.Pausable); ok {
		return p.Pause(ctx)
	}
	return nil
}

// Resume implements vbus.Pausable.
func (e *Endpoint) Resume() {
	if p, ok := e.f.(vbus.Pausable); ok {
		p.Resume()
	}
}
