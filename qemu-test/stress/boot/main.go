// Command boot runs the stress kernel for as long as one wants and shows its
// serial line; its exit code is 0 if the stress passed. World: the developer's
// computer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"basalt/qemu-test/harness"
)

func main() {
	d := flag.Duration("time", 10*time.Minute, "how long to stress")
	cpus := flag.Int("cpus", 4, "processors of the machine")
	mem := flag.Int("mem", 512, "memory of the machine in MiB")
	only := flag.String("only", "", "comma-separated workers; all if empty")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: boot [flags] STRESS.ELF")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *only, *d, *cpus, *mem); err != nil {
		fmt.Fprintln(os.Stderr, "stress:", err)
		os.Exit(1)
	}
}

func run(kernel, only string, d time.Duration, cpus, mem int) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	m := harness.Machine{Kernel: kernel, CPUs: cpus, MemMiB: mem, NIC: "none",
		Append: "-- -time " + d.String() + " -only=" + only, Limit: 2*d + time.Minute}
	r, err := m.Start(ctx)
	if err != nil {
		return err
	}
	defer r.Stop()
	for {
		line, err := r.WaitFor(ctx, `([^\r\n]*)\r?\n`)
		if err != nil {
			return fmt.Errorf("%w; the log is %s/serial.log", err, r.Dir)
		}
		fmt.Println(line[1])
		switch {
		case strings.HasPrefix(line[1], "stress: PASS"):
			return nil
		case strings.HasPrefix(line[1], "stress: FAIL"):
			return errors.New("failed")
		case strings.HasPrefix(line[1], "PANIC: "):
			return errors.New("the kernel stopped itself")
		}
	}
}
