package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"sync"
	"time"
)

// serial is what came out of a machine's first serial line.
type serial struct {
	mu     sync.Mutex
	all    []byte
	seen   int // everything before was matched by an earlier WaitFor
	closed bool
	wake   chan struct{}
}

func newSerial() *serial { return &serial{wake: make(chan struct{})} }

// Write adds output and wakes whoever waits for it.
func (s *serial) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, b...)
	close(s.wake)
	s.wake = make(chan struct{})
	return len(b), nil
}

func (s *serial) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.wake)
	}
}

// waitFor blocks until re matches output after the last match, and gives its
// submatches. The machine's end and the context's end are errors.
func (s *serial) waitFor(ctx context.Context, re *regexp.Regexp) ([]string, error) {
	for {
		s.mu.Lock()
		if m := re.FindSubmatchIndex(s.all[s.seen:]); m != nil {
			text := s.all[s.seen:]
			var out []string
			for i := 0; i < len(m); i += 2 {
				if m[i] < 0 {
					out = append(out, "")
					continue
				}
				out = append(out, string(text[m[i]:m[i+1]]))
			}
			s.seen += m[1]
			s.mu.Unlock()
			return out, nil
		}
		closed, wake := s.closed, s.wake
		s.mu.Unlock()
		if closed {
			return nil, fmt.Errorf("harness: the machine ended before %q", re)
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, fmt.Errorf("harness: waiting for %q: %w", re, context.Cause(ctx))
		}
	}
}

func (s *serial) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *serial) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.all)
}

// Tail is the end of a log as a test prints it: at most n lines, without control
// characters that would move a terminal's cursor.
func Tail(log []byte, n int) string {
	log = regexp.MustCompile(`\x1b\[[0-9;?=]*[a-zA-Z]|\x1bc`).ReplaceAll(log, nil)
	log = bytes.ReplaceAll(log, []byte("\r"), nil)
	lines := bytes.Split(bytes.TrimRight(log, "\n"), []byte("\n"))
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return string(bytes.Join(lines, []byte("\n")))
}

// follow copies a growing file into w until done is closed, then to its end.
func follow(path string, w *serial, done <-chan struct{}) {
	var off int64
	buf := make([]byte, 64<<10)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for last := false; ; {
		if f, err := os.Open(path); err == nil {
			for {
				n, err := f.ReadAt(buf, off)
				if n > 0 {
					off += int64(n)
					w.Write(buf[:n])
				}
				if err != nil {
					break
				}
			}
			f.Close()
		}
		if last {
			return
		}
		select {
		case <-done:
			last = true
		case <-tick.C:
		}
	}
}
