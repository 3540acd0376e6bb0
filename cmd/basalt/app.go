package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"basalt/mgmt/client"
	"basalt/mgmt/version"
)

// app is what all commands share: the global flags and the standard streams.
type app struct {
	in       io.Reader
	out, err io.Writer
	json     bool
	quiet    bool
	host     string
	timeout  time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err != nil {
		report(a.err, err, a.json)
	}
	return exitCode(err)
}

const rootHelp = `basalt manages Basalt hosts: it uploads kernels, creates and runs virtual machines,
and attaches to their consoles.

Log in once to each host; the console page of the host shows its address, its
certificate's fingerprint and, at the first boot, the password of root:

  basalt login 192.0.2.10
  basalt file put vmlinuz
  basalt file put initrd.img
  basalt vm create web --memory 512 --kernel vmlinuz --initrd initrd.img --cmdline console=ttyS0
  basalt vm start web --console

The host of the last login is used, unless --host names another one. Every command
prints JSON with --json: one object, or one per line where the answer is a stream.

Environment:
  BASALT_HOST         host to use, as --host
  BASALT_PASSWORD     password for login
  BASALT_CONFIG       file of known hosts instead of basalt/config.json in the
                      user's configuration folder
  BASALT_FINGERPRINT  with BASALT_HOST and BASALT_TOKEN: use a host without login
  BASALT_TOKEN        bearer token for that
`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "basalt", Short: "Manage Basalt hosts and their virtual machines", Long: rootHelp + "\n" + exitHelp,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print JSON for scripts; errors too, on standard error")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no notes")
	f.StringVar(&a.host, "host", os.Getenv("BASALT_HOST"), "`name` or address of the host")
	f.DurationVar(&a.timeout, "timeout", time.Minute, "longest wait for an answer; streams are not limited")
	root.RegisterFlagCompletionFunc("host", a.completeHosts)
	root.AddCommand(a.loginCommand(), a.logoutCommand(), a.hostCommand(), a.fileCommand(), a.vmCommand(), a.networkCommand(), a.poolCommand(), a.eventsCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd()
	return root
}

// work wraps a command's function: its errors are failures, not wrong usage.
func work(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if err := f(c.Context(), args); err != nil {
			return &runError{err}
		}
		return nil
	}
}

// client gives a client of the chosen host.
func (a *app) client() (*client.Client, error) {
	if fp, tok := os.Getenv("BASALT_FINGERPRINT"), os.Getenv("BASALT_TOKEN"); a.host != "" && fp != "" && tok != "" {
		return client.New(client.Options{Address: a.host, Fingerprint: fp, Token: tok})
	}
	conf, err := loadConfig()
	if err != nil {
		return nil, err
	}
	_, h, err := conf.find(a.host)
	if err != nil {
		return nil, err
	}
	if h.Token == "" {
		return nil, needLogin("not logged in to " + h.Address)
	}
	return client.New(client.Options{Address: h.Address, Fingerprint: h.Fingerprint, Token: h.Token})
}

// with runs f with a client, within the time limit.
func (a *app) with(ctx context.Context, f func(context.Context, *client.Client) error) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	lim, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	err = f(lim, c)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.Is(err, context.DeadlineExceeded):
		return timeoutError(fmt.Sprintf("the host did not answer in %s", a.timeout))
	}
	return err
}

// stream is with without the time limit.
func (a *app) stream(ctx context.Context, f func(context.Context, *client.Client) error) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	return f(ctx, c)
}

// show prints v as JSON, or what text prints in columns.
func (a *app) show(v any, text func(w io.Writer)) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// remove removes all that it can, says what in JSON, and tells all errors.
func (a *app) remove(names []string, f func(name string) error) error {
	var errs error
	removed := []string{}
	for _, n := range names {
		if err := f(n); err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		removed = append(removed, n)
	}
	return errors.Join(errs, a.show(map[string]any{"removed": removed}, func(io.Writer) {}))
}

// note prints a line for a person on standard error.
func (a *app) note(format string, args ...any) {
	if !a.json && !a.quiet {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// terminal says whether a stream is a terminal, and its descriptor.
func terminal(stream any) (int, bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return 0, false
	}
	fd := int(f.Fd())
	return fd, term.IsTerminal(fd)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the client's version", Args: cobra.NoArgs,
		Long: "Print the version of this client. The host's version is in 'basalt host'.",
		RunE: work(func(context.Context, []string) error {
			return a.show(map[string]string{"version": version.Version}, func(w io.Writer) { fmt.Fprintln(w, "basalt", version.Version) })
		}),
	}
}
