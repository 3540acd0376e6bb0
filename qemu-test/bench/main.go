package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"basalt/qemu-test/harness"
)

type bench struct{ build string }

func main() {
	only := flag.String("only", "exits,ipi,linux,whole", "parts to measure; exits has profile in it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{build: "build"}
	text, err := b.all(ctx, *only)
	if text != "" {
		fmt.Print("\n", text)
		if werr := os.WriteFile(filepath.Join(b.build, "bench.txt"), []byte(text), 0o644); err == nil {
			err = werr
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make bench:", err)
		os.Exit(1)
	}
}

// all measures the parts and gives the report; what failed is in the error and its
// rows say so.
func (b *bench) all(ctx context.Context, only string) (string, error) {
	abs, err := filepath.Abs(b.build)
	if err != nil {
		return "", err
	}
	b.build = abs
	if err := os.RemoveAll(filepath.Join(abs, "bench")); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(abs, "bench"), 0o755); err != nil {
		return "", err
	}
	var r report
	var failed []string
	keep := func(part string, err error) {
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", part, err))
		}
	}
	if strings.Contains(only, "exits") {
		for i, on := range []harness.Emulator{harness.QEMU, harness.Bochs} {
			for j, mitigations := range []bool{true, false} {
				b.note("exits: %s, mitigations=%v", on, mitigations)
				res, err := b.exits(ctx, on, mitigations, 1)
				keep(fmt.Sprintf("exits on %s", on), err)
				r.runs[i][j] = res
			}
		}
	}
	if strings.Contains(only, "exits") || strings.Contains(only, "profile") {
		keep("profile", b.profiles(ctx, &r))
	}
	if strings.Contains(only, "ipi") {
		b.note("interrupts between two processors: bochs")
		res, err := b.exits(ctx, harness.Bochs, true, 2)
		keep("two processors", err)
		if on := &r.runs[1][0]; on.perOp == nil {
			*on = res
		} else {
			maps.Copy(on.perOp, res.perOp)
		}
	}
	if strings.Contains(only, "linux") {
		b.note("Debian's kernel to power-off (QEMU)")
		r.linux, err = b.linux(ctx)
		keep("linux", err)
	}
	if strings.Contains(only, "whole") {
		w, err := b.whole(ctx)
		r.whole = &w
		keep("whole", err)
	}
	if failed != nil {
		err = fmt.Errorf("not measured: %s", strings.Join(failed, "; "))
	}
	return r.markdown(), err
}

func (b *bench) note(format string, a ...any) { fmt.Printf(format+"\n", a...) }

// folder is a path for files of one step.
func (b *bench) folder(name string) string {
	return filepath.Join(b.build, "bench", strings.ReplaceAll(name, "=", "-"))
}
