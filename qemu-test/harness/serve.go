package harness

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Serve starts a program of this computer that machines talk to, and ends it with
// ctx. An argument "{port}" stands for a free TCP port, which Serve gives once the
// program has printed a line with the word listening.
func Serve(ctx context.Context, program string, args ...string) (port int, err error) {
	ports, err := freePorts(1)
	if err != nil {
		return 0, err
	}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "{port}", strconv.Itoa(ports[0]))
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("harness: %s: %w (make deps)", program, err)
	}
	lines := bufio.NewScanner(out)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), "listening") {
			go func() {
				for lines.Scan() {
				}
				cmd.Wait()
			}()
			return ports[0], nil
		}
	}
	return 0, fmt.Errorf("harness: %s does not serve: %w: %q", program, cmd.Wait(), said)
}
