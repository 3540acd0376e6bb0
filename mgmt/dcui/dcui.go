package dcui

import (
	"context"
	"slices"
	"sync"
)

// Status is everything on the page, ready to be drawn.
type Status struct {
	Product     string   // "Basalt"
	Version     string   //
	Hostname    string   //
	Hardware    string   // "AMD EPYC ..., 2 CPUs, 2048 MiB"
	URLs        []string // where the API answers, best first; empty without an address
	State       string   // "starting", "ready", "ready, but virtual machines cannot run: ...", "stopping"
	Fingerprint string   // of the TLS certificate; empty before there is one
	// PasswordHint is "as set in the boot configuration" or the random password
	// itself: a person at the console owns the machine.
	PasswordHint string
	User         string // "root"
	VMs, Running int
}

func (s Status) equal(o Status) bool {
	u := slices.Equal(s.URLs, o.URLs)
	return u && s.Product == o.Product && s.Version == o.Version && s.Hostname == o.Hostname && s.Hardware == o.Hardware &&
		s.State == o.State && s.Fingerprint == o.Fingerprint && s.PasswordHint == o.PasswordHint && s.User == o.User &&
		s.VMs == o.VMs && s.Running == o.Running
}

// Source is the newest Status and those who wait for a change. The zero value is
// ready for use.
type Source struct {
	mu      sync.Mutex
	status  Status
	version uint64
	more    chan struct{}
}

// Set replaces the status; setting an equal one does nothing.
func (s *Source) Set(st Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version > 0 && s.status.equal(st) {
		return
	}
	st.URLs = slices.Clone(st.URLs)
	s.status = st
	s.version++
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

// Get returns the status and its version, 0 before the first Set.
func (s *Source) Get() (Status, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, s.version
}

// Next waits until the version differs from seen, and returns what is newest.
func (s *Source) Next(ctx context.Context, seen uint64) (Status, uint64, error) {
	for {
		s.mu.Lock()
		if s.version != seen {
			defer s.mu.Unlock()
			return s.status, s.version, nil
		}
		if s.more == nil {
			s.more = make(chan struct{})
		}
		more := s.more
		s.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return Status{}, seen, ctx.Err()
		}
	}
}
