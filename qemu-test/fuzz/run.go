package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// result is what one target did.
type result struct {
	target
	err     error
	execs   string // how often it ran
	input   string // of a failure: its file in the package's folder, or ""
	message []string
}

const maxMessage = 20 // lines of a failure that are shown

var (
	execsLine = regexp.MustCompile(`execs: (\d+)`)
	inputLine = regexp.MustCompile(`(testdata/fuzz/\S+)`)
)

// limits are what one target may take.
type limits struct {
	each    time.Duration
	workers int
	memory  string // of each worker, as GOMEMLIMIT
}

// run fuzzes one target. The go command ends by itself; the extra time is for building
// and for making a failure smaller.
func run(ctx context.Context, root string, t target, l limits) result {
	r := result{target: t}
	ctx, cancel := context.WithTimeout(ctx, l.each+5*time.Minute)
	defer cancel()
	args := []string{"test", "-run", "^$", "-fuzz", "^" + t.name + "$", "-fuzztime", l.each.String(),
		"-fuzzminimizetime", "5x", "-parallel", fmt.Sprint(l.workers), "./" + t.dir}
	if o := "build/_overlay/overlay.json"; exists(root + "/" + o) {
		args = append(args[:1:1], append([]string{"-overlay", o}, args[1:]...)...)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+l.memory)
	// The workers end with the go command's child, which Interrupt reaches.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.err = err
		return r
	}
	cmd.Stderr = cmd.Stdout
	if r.err = cmd.Start(); r.err != nil {
		return r
	}
	r.read(bufio.NewScanner(out))
	if r.err = cmd.Wait(); ctx.Err() != nil && r.err != nil {
		r.err = fmt.Errorf("%w (%w)", r.err, context.Cause(ctx))
	}
	if r.err != nil && ctx.Err() == nil && r.timeIsUp() {
		r.err = nil
	}
	return r
}

// timeIsUp says that all that failed is the end of -fuzztime: Go before 1.27 reports
// its own deadline as a failure of the target if a worker is busy at that moment
// (go.dev/issue/75804). What a target finds has an input, and what it cannot do has a
// text of its own.
func (r *result) timeIsUp() bool {
	said := false
	for _, line := range r.message {
		switch line = strings.TrimSpace(line); {
		case line == "context deadline exceeded":
			said = true
		case line == "", line == "FAIL", line == "exit status 1", strings.HasPrefix(line, "FAIL\t"), strings.HasPrefix(line, "--- FAIL: "+r.name+" ("):
		default:
			return false
		}
	}
	return said && r.input == "" && r.execs != "" && r.execs != "0"
}

// read takes from the output what the table needs.
func (r *result) read(in *bufio.Scanner) {
	in.Buffer(nil, 1<<20)
	failed := false
	for in.Scan() {
		line := in.Text()
		if m := execsLine.FindStringSubmatch(line); m != nil {
			r.execs = m[1]
		}
		failed = failed || strings.HasPrefix(line, "--- FAIL") || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fuzz: cause")
		if failed && len(r.message) < maxMessage {
			r.message = append(r.message, line)
		}
		if m := inputLine.FindStringSubmatch(line); failed && m != nil {
			r.input = r.dir + "/" + m[1]
		}
	}
	for in.Scan() { // a line too long ends the loop, not the pipe
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
