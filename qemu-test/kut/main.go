package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

func main() {
	engine := flag.String("engine", "", "run on this engine only: amd-v or vt-x")
	run := flag.String("run", "", "run only tests whose name matches this `regexp`")
	keep := flag.String("keep", filepath.Join("build", "kut"), "`folder` for the consoles of the guests and the hosts' logs")
	limit := flag.Duration("limit", 3*time.Minute, "longest run of a test that has no longer limit of its own")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: kut [flags] DIR\nDIR holds the flat images of kvm-unit-tests (its folder x86 after make).")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	only, err := regexp.Compile(*run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kut: -run:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := suite{images: flag.Arg(0), keep: *keep, limit: *limit, only: only}
	failed, err := s.run(ctx, *engine)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kut:", err)
		os.Exit(1)
	}
	if failed > 0 {
		fmt.Fprintf(os.Stderr, "kut: %d tests failed without a known reason; their consoles are in %s\n", failed, *keep)
		os.Exit(1)
	}
}

// suite is one run of the command.
type suite struct {
	images, keep string
	limit        time.Duration
	only         *regexp.Regexp

	mu      sync.Mutex
	started int // hosts
}

// run runs the suite on every engine at once, or on the one that is named, and prints
// a row when it is there and the whole table at the end. It gives the number of tests
// that failed without a known reason.
func (s *suite) run(ctx context.Context, engine string) (failed int, err error) {
	var (
		mu   sync.Mutex
		rows []row
		errs []error
		all  sync.WaitGroup
	)
	for _, h := range hosts {
		if engine != "" && engine != h.engine {
			continue
		}
		all.Go(func() {
			err := s.on(ctx, h, func(r row) {
				mu.Lock()
				defer mu.Unlock()
				rows = append(rows, r)
				fmt.Println(r)
			})
			if err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("%s: %w", h.engine, err))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	fmt.Print(table(rows))
	for _, r := range rows {
		if r.verdict == fail {
			failed++
		}
	}
	if len(rows) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no test was asked for"))
	}
	return failed, errors.Join(errs...)
}

// image reads a test's image; there is none when the suite was not built for it.
func (s *suite) image(t test) (b []byte, built bool, err error) {
	b, err = os.ReadFile(filepath.Join(s.images, t.image+".flat"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	return b, err == nil, err
}
