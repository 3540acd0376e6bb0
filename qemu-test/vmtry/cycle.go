package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vm"
)

// screen is what a console has printed, searched from where the last find ended.
type screen struct {
	mu   sync.Mutex
	more chan struct{}
	text string
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.text += string(p)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// find waits for a match and gives it; ok is false after the limit.
func (s *screen) find(pattern string, limit time.Duration) (match string, ok bool) {
	re := regexp.MustCompile(pattern)
	end := time.After(limit)
	for {
		s.mu.Lock()
		if at := re.FindStringIndex(s.text); at != nil {
			match, s.text = s.text[at[0]:at[1]], s.text[at[1]:]
			s.mu.Unlock()
			return match, true
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-end:
			return "", false
		}
	}
}

// cycles saves the machine and restores it as another one, n times, through a pipe;
// after each the shell in it has to compute something and tell its uptime.
func cycles(m *vm.Manager, v host.VM, s *screen, n int, limit time.Duration) host.VM {
	if _, ok := s.find(`(?m)^.*\$ \x1b?[^\n]*$`, limit); !ok {
		fmt.Println("cycles: no prompt")
		return v
	}
	const prompt = `(?m)^.*\$ \x1b?[^\n]*$`
	v.Console().Send([]byte("while true; do cat /init > /dev/null; done &\r"))
	if _, ok := s.find(`done &\r?\n(?s:.*)`+prompt, limit); !ok {
		fmt.Println("cycles: no work")
		return v
	}
	last := 0.0
	for i := range n {
		t := time.Now()
		in, out := io.Pipe()
		saved := make(chan error, 1)
		var size counter
		go func() {
			err := v.Save(context.Background(), io.MultiWriter(out, &size), host.SaveOptions{Then: host.AfterSaveStop})
			out.CloseWithError(err)
			saved <- err
		}()
		w, err := m.Restore(context.Background(), in, host.RestoreOptions{ID: fmt.Sprintf("vm-cycle-%d", i)})
		in.CloseWithError(err)
		check(err)
		check(<-saved)
		check(m.Delete(v.Config().ID))
		v = w
		watch(v, s)
		check(v.Resume(context.Background()))
		took := time.Since(t)
		v.Console().Send([]byte(fmt.Sprintf("echo c%d-$((6*7)) $(cat /proc/uptime)\r", i)))
		line, ok := s.find(fmt.Sprintf(`c%d-42 [0-9.]+ `, i), limit)
		up := 0.0
		if f := strings.Fields(line); len(f) == 2 {
			fmt.Sscan(f[1], &up)
		}
		fmt.Printf("cycle %d: %d bytes in %v, uptime %.2f, answered %v\n", i, size, took, up, ok)
		if !ok || up < last {
			fmt.Println("cycles: FAILED")
			return v
		}
		last = up
	}
	v.Console().Send([]byte("echo -n bad: ; dmesg | grep -c -e BUG: -e 'Call Trace' -e stall -e 'Marking clocksource' ; shutdown\r"))
	line, _ := s.find(`bad: ?[0-9]+`, limit)
	fmt.Println("cycles: done,", line)
	return v
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// floodLine is what the guest "flood" prints for ever.
const floodLine = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"

// seams saves a machine with the guest "flood" and restores it n times: where the
// output of one ends, that of the next goes on, to the byte.
func seams(m *vm.Manager, v host.VM, n int) host.VM {
	ctx := context.Background()
	for i := range n {
		for len(v.Console().Log()) < 2*len(floodLine) {
			time.Sleep(10 * time.Millisecond)
		}
		t := time.Now()
		in, out := io.Pipe()
		saved := make(chan error, 1)
		go func() {
			err := v.Save(ctx, out, host.SaveOptions{Then: host.AfterSaveStop})
			out.CloseWithError(err)
			saved <- err
		}()
		w, err := m.Restore(ctx, in, host.RestoreOptions{ID: fmt.Sprintf("vm-seam-%d", i)})
		in.CloseWithError(err)
		check(err)
		check(<-saved)
		before := v.Console().Log()
		before = before[len(before)-2*len(floodLine):]
		check(m.Delete(v.Config().ID))
		v = w
		check(v.Resume(ctx))
		for len(v.Console().Log()) < 2*len(floodLine) {
			time.Sleep(10 * time.Millisecond)
		}
		check(v.Pause(ctx))
		text := string(before) + string(v.Console().Log())
		at := strings.Index(text, floodLine)
		text = text[max(at, 0):]
		good := at >= 0 && strings.HasPrefix(strings.Repeat(floodLine, len(text)/len(floodLine)+1), text)
		fmt.Printf("seam %d: %v, %d bytes of output, whole: %v\n", i, time.Since(t), len(text), good)
		if !good {
			fmt.Printf("seams: FAILED\n%q\n", text[:min(len(text), 600)])
			return v
		}
		check(v.Resume(ctx))
	}
	fmt.Println("seams: done")
	return v
}
