package main

import (
	"bytes"
	"sync"
)

// syncBuffer collects output and calls a function with each piece.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	f  func(string)
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	f := s.f
	n, err := s.b.Write(p)
	s.mu.Unlock()
	if f != nil {
		f(string(p))
	}
	return n, err
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *syncBuffer) onWrite(f func(string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.f = f
}
