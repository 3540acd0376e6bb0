package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	each := flag.Duration("time", time.Minute, "for each target")
	share := flag.Duration("share", 0, "for all targets together, instead of -time")
	pkg := flag.String("pkg", "./...", "the packages, such as ./vmkernel/vdev/...")
	only := flag.String("run", "", "a regular expression for the targets' names, with their folder")
	list := flag.Bool("list", false, "only name the targets")
	workers := flag.Int("workers", 2, "how many run a target at once")
	memory := flag.String("memory", "1GiB", "memory limit of each of them, as GOMEMLIMIT")
	flag.Usage = func() { usage(".") }
	flag.Parse()
	if flag.NArg() != 0 || *each <= 0 || *share < 0 || *workers < 1 {
		usage(".")
		os.Exit(2)
	}
	re, err := regexp.Compile(*only)
	if err != nil {
		fail(2, err)
	}
	all, err := find(".")
	if err != nil {
		fail(2, err)
	}
	targets := choose(all, *pkg, re)
	if len(targets) == 0 {
		fail(2, fmt.Errorf("no fuzz target matches -pkg %s -run %q", *pkg, *only))
	}
	if *list {
		for _, t := range targets {
			fmt.Println(t)
		}
		return
	}
	l := limits{each: *each, workers: *workers, memory: *memory}
	if *share > 0 {
		l.each = max(*share/time.Duration(len(targets)), time.Second).Round(time.Second)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(report(fuzz(ctx, targets, l), len(targets)))
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "fuzz:", err)
	os.Exit(code)
}

// usage says how long all of it takes.
func usage(root string) {
	fmt.Fprintln(os.Stderr, "usage: fuzz [flags], in the module's folder; see `make fuzz`")
	flag.PrintDefaults()
	if all, err := find(root); err == nil {
		fmt.Fprintf(os.Stderr, "\nThere are %d targets: %v with -time 1m, plus building. -share 10m gives each %v.\n"+
			"Exit codes: 0 nothing found, 1 something found (its input is a file below testdata/fuzz), 2 wrong usage.\n",
			len(all), time.Duration(len(all))*time.Minute, (10 * time.Minute / time.Duration(max(len(all), 1))).Round(time.Second))
	}
}

// choose takes what pkg, a folder as the go command writes it, and only match.
func choose(all []target, pkg string, only *regexp.Regexp) []target {
	folder, below := strings.CutSuffix(path.Clean(strings.TrimSuffix(pkg, "/")), "...")
	folder = strings.TrimSuffix(folder, "/")
	var out []target
	for _, t := range all {
		in := t.dir == folder || below && (folder == "" || folder == "." || strings.HasPrefix(t.dir, folder+"/"))
		if in && only.MatchString(t.String()) {
			out = append(out, t)
		}
	}
	return out
}

// fuzz runs the targets until ctx ends.
func fuzz(ctx context.Context, targets []target, l limits) []result {
	fmt.Printf("%d targets, %v each: %v and the time to build\n", len(targets), l.each, time.Duration(len(targets))*l.each)
	var all []result
	for i, t := range targets {
		fmt.Printf("[%d/%d] %s\n", i+1, len(targets), t)
		r := run(ctx, ".", t, l)
		if ctx.Err() != nil {
			break // its failure is only that it was stopped
		}
		all = append(all, r)
		switch {
		case r.err == nil && r.execs == "":
			fmt.Println("    ran its seeds and had no time for more")
		case r.err != nil:
			fmt.Printf("    FAILED: %v\n    %s\n", r.err, strings.Join(r.message, "\n    "))
		default:
			fmt.Printf("    ran %s times\n", r.execs)
		}
	}
	return all
}

// report gives the exit code.
func report(all []result, want int) int {
	code := 0
	for _, r := range all {
		if r.err == nil {
			continue
		}
		code = 1
		if r.input == "" {
			r.input = "no input was written"
		}
		fmt.Printf("FAILED %s: %s\n", r.target, r.input)
	}
	if len(all) < want {
		fmt.Printf("stopped after %d of %d targets\n", len(all), want)
		code = 1
	}
	if code == 0 {
		fmt.Printf("%d targets found nothing\n", len(all))
	}
	return code
}
