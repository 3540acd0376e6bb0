package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if v := os.Getenv(settingsVariable); v != "" && len(os.Args) > 1 && os.Args[1] == "exec" {
		os.Exit(execMain(v))
	}
	cpus := flag.Int("cpus", 2, "processors of the machine")
	mem := flag.Int("mem", 1024, "memory of the machine in MiB")
	list := flag.String("list", "qemu-test/ktest.list", "the list of packages that \"std\" stands for")
	limit := flag.Duration("timeout", 10*time.Minute, "time limit of one machine")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: ktest [flags] PACKAGE... [go test flags]")
		flag.PrintDefaults()
	}
	flag.Parse()
	code, err := run(*list, settings{CPUs: *cpus, MemMiB: *mem, Limit: *limit}, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "ktest:", err)
		os.Exit(2)
	}
	os.Exit(code)
}

func execMain(v string) int {
	var s settings
	if err := json.Unmarshal([]byte(v), &s); err != nil || len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "ktest: exec: bad settings", err)
		return 2
	}
	code, err := runBinary(s, os.Args[2], os.Args[3:])
	if err != nil {
		fmt.Println("ktest:", err)
		return 2
	}
	return code
}

// run tests the packages and gives go test's exit code.
func run(list string, s settings, args []string) (int, error) {
	w, err := prepare()
	if err != nil {
		return 0, err
	}
	s.Module, s.Real, s.Goroot = w.module, w.real, w.goroot
	if s.List, err = filepath.Abs(list); err != nil {
		return 0, err
	}
	items, err := readList(s.List)
	if err != nil {
		return 0, err
	}
	var std, own, flags []string
	for i, a := range args {
		if strings.HasPrefix(a, "-") {
			flags = args[i:]
			break
		}
		switch {
		case a == "std":
			for _, it := range items {
				if !strings.HasPrefix(it.pkg, ".") {
					std = append(std, it.pkg)
				}
			}
		case strings.HasPrefix(a, ".") || strings.HasPrefix(a, "basalt/"):
			own = append(own, a)
		default:
			std = append(std, a)
		}
	}
	if len(std) > 1 && len(flags) == 0 {
		flags = []string{"-short"} // the whole list in minutes
	}
	if len(std)+len(own) == 0 {
		return 0, errors.New("name a package, or std for the list")
	}
	code := 0
	sum := &summary{to: os.Stdout}
	if len(std) > 0 {
		// The tests of package time want a time zone before there are files.
		cmd := exec.Command("go", w.goTest([]string{"-tags=timetzdata"}, std, flags)...)
		// Inside the copy's own module, where basalt/... means the copy's.
		cmd.Dir = filepath.Join(w.goroot, "src")
		cmd.Env = append(os.Environ(), "GOROOT="+w.goroot, "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local")
		code = max(code, s.goCommand(cmd, sum))
	}
	if len(own) > 0 {
		overlay, err := w.ownOverlay(own)
		if err != nil {
			return 0, err
		}
		cmd := exec.Command("go", w.goTest([]string{"-overlay", overlay, "-modfile", filepath.Join(w.dir, "overlay", "go.mod")}, own, flags)...)
		cmd.Dir = w.module
		cmd.Env = os.Environ()
		code = max(code, s.goCommand(cmd, sum))
	}
	if len(sum.passed)+len(sum.failed) > 1 {
		fmt.Println(sum)
	}
	return code, nil
}

// goTest is the command line for the go command.
func (w *workspace) goTest(build, packages, flags []string) []string {
	args := []string{"test", "-vet=off", "-count=1", "-p=2", "-trimpath", "-timeout=60m",
		"-ldflags=-s -w -T 0x1000000 -E basalt/vmkernel/linux.start -X runtime.defaultGOROOT=/goroot",
		"-exec=" + strconv.Quote(self()) + " exec"}
	args = append(args, build...)
	args = append(args, packages...)
	return append(args, flags...)
}

func self() string {
	name, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return name
}

// goCommand runs the go command with the settings for the -exec side.
func (s settings) goCommand(cmd *exec.Cmd, sum *summary) int {
	b, err := json.Marshal(s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ktest:", err)
		return 2
	}
	cmd.Env = append(cmd.Env, settingsVariable+"="+string(b), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stdout, cmd.Stderr = sum, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "ktest:", err)
		return 2
	}
	return 0
}
