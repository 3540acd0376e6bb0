package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/coder/websocket"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

// leave is the key that detaches: Ctrl-].
const leave = 0x1d

type consoleFlags struct {
	backlog int
	until   string
	wait    time.Duration
	linger  time.Duration
	port    string
	// bytes is set for a port that is no terminal: input goes as it is.
	bytes bool
}

// addPort adds --port.
func (a *app) addPort(c *cobra.Command, port *string) {
	c.Flags().StringVar(port, "port", "", "serial `port` 1 to 4, or a console port's name (default: 1, the console)")
	c.RegisterFlagCompletionFunc("port", func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.complete(c, func(ctx context.Context, cl *client.Client) []string {
			out := []string{"1", "2", "3", "4"}
			if len(args) == 1 {
				vm, _ := cl.VM(ctx, args[0])
				for _, p := range vm.Consoles {
					out = append(out, p.Name+"\t"+consoleText(p))
				}
			}
			return out
		})
	})
}

func (a *app) vmConsole() *cobra.Command {
	var f consoleFlags
	c := &cobra.Command{
		Use: "console VM", Short: "Attach to a machine's console", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeVMs,
		Long: `Attach the terminal to the machine's serial console, with a bit of what was written before.
Ctrl-] leaves; the guest goes on. Several people may be attached to one console. --port
chooses another of the machine's four serial ports: 2 is what a guest calls COM2 or ttyS1.
With a name it is one of the console ports that the machine was created with
(--console-port). One for programs gets input as it is, from a terminal a line at a
time; Ctrl-D ends it. What the guest has not taken yet waits, up to 4 KiB; of what it writes
to another port than the first the last 16 KiB are kept.

In scripts, where standard input is no terminal, input is sent as it is, line ends as
carriage returns. After its end the command goes on until --until was seen; without
--until it ends when the guest has been silent for --linger.`,
		Example: `  basalt vm console web
  basalt vm console web --until 'login:' --wait 2m < /dev/null
  echo 'uname -a' | basalt vm console web
  basalt vm console web --port 2
  echo status | basalt vm console web --port org.example.agent`,
		RunE: func(c *cobra.Command, args []string) error {
			return work(func(ctx context.Context, args []string) error { return a.console(ctx, args[0], f) })(c, args)
		},
	}
	a.addPort(c, &f.port)
	fl := c.Flags()
	fl.IntVar(&f.backlog, "backlog", 4096, "`bytes` of the past to show first")
	fl.StringVar(&f.until, "until", "", "end with exit code 0 when the guest wrote `text`")
	fl.DurationVar(&f.wait, "wait", 0, "end with exit code 8 after this time")
	fl.DurationVar(&f.linger, "linger", 2*time.Second, "how long a silence ends a script's session")
	return c
}

func (a *app) console(ctx context.Context, id string, f consoleFlags) error {
	if f.backlog < 0 {
		return usageError("--backlog is a number of bytes")
	}
	return a.stream(ctx, func(ctx context.Context, c *client.Client) error {
		if f.wait > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, f.wait)
			defer cancel()
		}
		ws, err := c.Port(ctx, id, f.port, f.backlog)
		if err != nil {
			return err
		}
		defer ws.CloseNow()
		if f.bytes, err = forPrograms(ctx, c, id, f.port); err != nil {
			return err
		}
		if fd, tty := terminal(a.in); tty && !f.bytes {
			a.note("Attached to %s. Ctrl-] leaves.", id)
			old, err := term.MakeRaw(fd)
			if err != nil {
				return err
			}
			defer func() {
				term.Restore(fd, old)
				a.note("\nLeft the console of %s.", id)
			}()
			err = a.attach(ctx, ws, f, true)
			return f.explain(ctx, err)
		}
		return f.explain(ctx, a.attach(ctx, ws, f, false))
	})
}

// forPrograms says whether a port of a machine is one of the console ports that are no
// terminals.
func forPrograms(ctx context.Context, c *client.Client, id, port string) (bool, error) {
	if port == "" || port[0] <= '9' {
		return false, nil // a serial port
	}
	vm, err := c.VM(ctx, id)
	return slices.Contains(vm.Consoles, wire.Console{Name: port}), err
}

// explain turns the end of --wait into a timeout.
func (f consoleFlags) explain(ctx context.Context, err error) error {
	if err != nil && f.wait > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		if f.until != "" {
			return timeoutError(fmt.Sprintf("the guest did not write %q in %s", f.until, f.wait))
		}
		return timeoutError("the time of --wait is over")
	}
	return err
}

var errLeft = errors.New("left")

// attach copies both ways until one side ends. Standard input is read in a
// goroutine of its own that is left behind at the end: a read cannot be taken back.
func (a *app) attach(ctx context.Context, ws *websocket.Conn, f consoleFlags, tty bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := sendInput(ctx, ws, a.in, tty, f.bytes); err != nil {
			cancel(err)
		}
	}()
	if !tty && f.until == "" {
		go func() {
			select {
			case <-ended:
			case <-ctx.Done():
				return
			}
			for {
				select {
				case <-heard:
				case <-time.After(f.linger):
					cancel(errLeft)
					return
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	err := a.receive(ctx, ws, f.until, heard)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	switch {
	case err == nil || errors.Is(err, errLeft):
		ws.Close(websocket.StatusNormalClosure, "")
		return nil
	case websocket.CloseStatus(err) == websocket.StatusGoingAway:
		var ce websocket.CloseError
		errors.As(err, &ce)
		return fmt.Errorf("the console was closed: %s", ce.Reason)
	}
	return err
}

func sendInput(ctx context.Context, ws *websocket.Conn, in io.Reader, tty, asIs bool) error {
	buf := make([]byte, 1024)
	for {
		n, err := in.Read(buf)
		p := buf[:n]
		left := false
		if tty {
			if i := bytes.IndexByte(p, leave); i >= 0 {
				p, left = p[:i], true
			}
		} else if !asIs {
			p = bytes.ReplaceAll(p, []byte("\n"), []byte("\r"))
		}
		if len(p) > 0 {
			if err := ws.Write(ctx, websocket.MessageBinary, p); err != nil {
				return err
			}
		}
		if left {
			return errLeft
		}
		if err != nil {
			return nil // the end of a script's input
		}
	}
}

// receive prints what the guest writes; nil means that until was seen.
func (a *app) receive(ctx context.Context, ws *websocket.Conn, until string, heard chan<- struct{}) error {
	var tail []byte
	for {
		_, p, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		if _, err := a.out.Write(p); err != nil {
			return err
		}
		select {
		case heard <- struct{}{}:
		default:
		}
		if until != "" {
			tail = append(tail, p...)
			if bytes.Contains(tail, []byte(until)) {
				return nil
			}
			if keep := len(until) - 1; len(tail) > keep {
				tail = append(tail[:0], tail[len(tail)-keep:]...)
			}
		}
	}
}
