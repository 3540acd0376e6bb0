package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"basalt/mgmt/client"
)

type loginFlags struct {
	user, name, fingerprint, passwordFile string
	trust, passwordStdin                  bool
	ttl                                   time.Duration
}

func (a *app) loginCommand() *cobra.Command {
	var f loginFlags
	c := &cobra.Command{
		Use: "login ADDRESS", Short: "Log in to a host and trust its certificate", Args: cobra.ExactArgs(1),
		Long: `Log in to the host at ADDRESS (HOST, HOST:PORT or https://HOST:PORT; port 443 if
none is given) and remember it under its name, so that other commands use it.

The host signs its own certificate. At the first login its SHA-256 fingerprint is
shown: compare it with the host's console page. From then on only this certificate
is accepted, and a login that meets another one fails. Scripts give the fingerprint
with --fingerprint, or take what comes with --trust.

The password is asked for, or read from BASALT_PASSWORD, --password-file or
--password-stdin. It is not kept: what is kept is a token that expires, in a file
that only the user can read.`,
		Example: `  basalt login 192.0.2.10
  basalt login host1.example:8443 --name host1 --ttl 720h
  basalt login 127.0.0.1:8443 --fingerprint 5F:0A:... --password-file secret`,
		RunE: func(c *cobra.Command, args []string) error {
			return work(func(ctx context.Context, args []string) error { return a.login(ctx, args[0], f) })(c, args)
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.user, "user", "u", "root", "user")
	fl.StringVar(&f.name, "name", "", "`name` to remember the host under (default: the host's own name)")
	fl.StringVar(&f.fingerprint, "fingerprint", "", "SHA-256 `fingerprint` of the host's certificate")
	fl.BoolVar(&f.trust, "trust", false, "trust the certificate that the host shows, without asking")
	fl.StringVar(&f.passwordFile, "password-file", "", "read the password from the first line of `file`")
	fl.BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
	fl.DurationVar(&f.ttl, "ttl", 0, "how long the login lasts, up to 720h (default 12h)")
	c.MarkFlagsMutuallyExclusive("fingerprint", "trust")
	c.MarkFlagsMutuallyExclusive("password-file", "password-stdin")
	return c
}

func (a *app) login(ctx context.Context, address string, f loginFlags) error {
	addr, err := client.ParseAddress(address)
	if err != nil {
		return usageError(err.Error())
	}
	conf, err := loadConfig()
	if err != nil {
		return err
	}
	lim, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	input := bufio.NewReader(a.in)
	fp, err := a.fingerprint(lim, conf, addr, f, input)
	if err != nil {
		return err
	}
	pw, err := a.password(f, input)
	if err != nil {
		return err
	}
	lim2, cancel2 := context.WithTimeout(ctx, a.timeout) // a person may have taken long to type
	defer cancel2()
	anon, err := client.New(client.Options{Address: addr, Fingerprint: fp})
	if err != nil {
		return err
	}
	defer anon.Close()
	tok, err := anon.Login(lim2, f.user, pw, f.ttl)
	if err != nil {
		return err
	}
	c, err := client.New(client.Options{Address: addr, Fingerprint: fp, Token: tok.Token})
	if err != nil {
		return err
	}
	defer c.Close()
	h, err := c.Host(lim2)
	if err != nil {
		return err
	}
	name := f.name
	if name == "" {
		name = h.Name
		if old, ok := conf.Hosts[name]; name == "" || ok && old.Address != addr {
			name = addr // two hosts with one name
		}
	}
	conf.Hosts[name] = &hostConf{Address: addr, Fingerprint: fp, User: f.user, Token: tok.Token, Expires: tok.Expires}
	conf.Current = name
	if err := conf.save(); err != nil {
		return err
	}
	out := map[string]any{"name": name, "address": addr, "fingerprint": fp, "user": f.user, "expires": tok.Expires, "version": h.Version}
	return a.show(out, func(w io.Writer) {
		fmt.Fprintf(w, "Logged in to %s (%s, Basalt %s) as %s until %s.\n", name, addr, h.Version, f.user, tok.Expires.Local().Format(time.DateTime))
	})
}

// fingerprint decides which certificate to trust.
func (a *app) fingerprint(ctx context.Context, conf *config, addr string, f loginFlags, in *bufio.Reader) (string, error) {
	if f.fingerprint != "" {
		fp, err := client.NormalFingerprint(f.fingerprint)
		if err != nil {
			return "", usageError(err.Error())
		}
		return fp, nil
	}
	shown, err := client.Probe(ctx, addr)
	if errors.Is(err, context.DeadlineExceeded) {
		return "", timeoutError(fmt.Sprintf("%s did not answer in %s", addr, a.timeout))
	}
	if err != nil {
		return "", err
	}
	if f.trust {
		return shown, nil
	}
	for _, h := range conf.Hosts {
		if h.Address == addr {
			if h.Fingerprint != shown {
				return "", &client.FingerprintError{Want: h.Fingerprint, Got: shown}
			}
			return shown, nil
		}
	}
	fmt.Fprintf(a.err, "The certificate of %s has the SHA-256 fingerprint\n  %s\nCompare it with the host's console page.\n", addr, shown)
	if _, tty := terminal(a.in); !tty || f.passwordStdin {
		return "", needLogin("the certificate is not trusted yet: give --fingerprint, or --trust")
	}
	fmt.Fprint(a.err, "Trust it from now on (yes/no)? ")
	line, _ := in.ReadString('\n')
	if ans := strings.ToLower(strings.TrimSpace(line)); ans != "yes" && ans != "y" {
		return "", needLogin("the certificate was not trusted")
	}
	return shown, nil
}

func (a *app) password(f loginFlags, in *bufio.Reader) (string, error) {
	firstLine := func(r *bufio.Reader) (string, error) {
		s, err := r.ReadString('\n')
		if err != nil && !(errors.Is(err, io.EOF) && s != "") {
			return "", fmt.Errorf("no password to read: %w", err)
		}
		return strings.TrimRight(s, "\r\n"), nil
	}
	switch {
	case f.passwordStdin:
		return firstLine(in)
	case f.passwordFile != "":
		file, err := os.Open(f.passwordFile)
		if err != nil {
			return "", err
		}
		defer file.Close()
		return firstLine(bufio.NewReader(file))
	}
	if pw, ok := os.LookupEnv("BASALT_PASSWORD"); ok {
		return pw, nil
	}
	fd, tty := terminal(a.in)
	if !tty {
		return "", usageError("there is no terminal to ask for the password: use --password-stdin, --password-file or BASALT_PASSWORD")
	}
	fmt.Fprintf(a.err, "Password of %s: ", f.user)
	b, err := term.ReadPassword(fd)
	fmt.Fprintln(a.err)
	return string(b), err
}

func (a *app) logoutCommand() *cobra.Command {
	var forget bool
	c := &cobra.Command{
		Use: "logout", Short: "End the login to a host", Args: cobra.NoArgs,
		Long: `Revoke the token of the chosen host and remove it from the configuration. The
host's certificate stays trusted; --forget removes that too.`,
		Example: "  basalt logout\n  basalt logout --host host1 --forget",
		RunE: work(func(ctx context.Context, _ []string) error {
			conf, err := loadConfig()
			if err != nil {
				return err
			}
			name, h, err := conf.find(a.host)
			if err != nil {
				return err
			}
			var revoke error
			if h.Token != "" {
				revoke = a.with(ctx, func(ctx context.Context, c *client.Client) error { return c.Logout(ctx) })
				var api *client.Error
				if errors.As(revoke, &api) && api.Status == 401 {
					revoke = nil // it had expired
				}
			}
			h.Token, h.Expires = "", time.Time{}
			if forget {
				delete(conf.Hosts, name)
				if conf.Current == name {
					conf.Current = ""
				}
			}
			if err := errors.Join(revoke, conf.save()); err != nil {
				return err
			}
			return a.show(map[string]any{"name": name, "forgotten": forget}, func(io.Writer) {})
		}),
	}
	c.Flags().BoolVar(&forget, "forget", false, "forget the host and its certificate")
	return c
}
