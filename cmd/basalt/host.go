package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

func (a *app) hostCommand() *cobra.Command {
	return &cobra.Command{
		Use: "host", Short: "Describe the host", Args: cobra.NoArgs,
		Long: `Print the host's name, version, virtualisation engine, processors, memory, addresses
and times. If virtual machines cannot run on it, the reason is printed too.`,
		Example: "  basalt host\n  basalt host --json | jq .memoryFreeBytes",
		RunE: work(func(ctx context.Context, _ []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				h, err := c.Host(ctx)
				if err != nil {
					return err
				}
				return a.show(h, func(w io.Writer) { printHost(w, h) })
			})
		}),
	}
}

func printHost(w io.Writer, h wire.Host) {
	row := func(k, format string, args ...any) { fmt.Fprintf(w, k+"\t"+format+"\n", args...) }
	row("Name", "%s", h.Name)
	row("Version", "%s %s", h.Product, h.Version)
	row("Engine", "%s", h.Engine)
	if h.Reason != "" {
		row("Problem", "virtual machines cannot run: %s", h.Reason)
	}
	row("CPU", "%d x %s", h.CPUs, h.CPUModel)
	for _, l := range h.Leaks {
		if l.Open {
			row("Leak", "%s: %s", l.Name, l.State)
		}
	}
	row("Memory", "%s, %s free", size(h.MemoryTotalBytes), size(h.MemoryFreeBytes))
	row("Machines", "%d, %d running", h.VMs, h.RunningVMs)
	row("Addresses", "%s", strings.Join(h.Addresses, " "))
	row("Fingerprint", "%s", h.Fingerprint)
	row("Booted", "%s, %s ago; ready after %.3f s", h.BootTime.Local().Format(time.DateTime), seconds(h.UptimeSeconds), h.TimeToReadySeconds)
	row("Failed logins", "%d", h.FailedLogins)
}

func (a *app) eventsCommand() *cobra.Command {
	var follow bool
	var tail int
	c := &cobra.Command{
		Use: "events", Short: "Print what happened on the host", Args: cobra.NoArgs,
		Long: `Print the host's events, oldest first: starts and stops of machines, crashes, uploads,
failed logins. The host keeps the last 4096. With --json each event is a line of JSON.`,
		Example: "  basalt events --tail 20\n  basalt events --follow --json",
		RunE: work(func(ctx context.Context, _ []string) error {
			return a.stream(ctx, func(ctx context.Context, c *client.Client) error {
				err := c.Events(ctx, 0, tail, follow, func(e wire.Event) error {
					if a.json {
						return json.NewEncoder(a.out).Encode(e)
					}
					who := ""
					if e.User != "" {
						who = " (" + printable(e.User) + ")"
					}
					_, err := fmt.Fprintf(a.out, "%s  %-7s  %-13s  %s%s\n", e.Time.Local().Format(time.DateTime), e.Severity, e.Kind, printable(e.Message), who)
					return err
				})
				if ctx.Err() != nil {
					return nil // Ctrl-C is how one ends it
				}
				return err
			})
		}),
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing until interrupted")
	c.Flags().IntVarP(&tail, "tail", "n", -1, "begin with the last `n` events (default: all)")
	return c
}

// printable keeps control characters of foreign texts off the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func size(n uint64) string {
	const k = 1024
	switch {
	case n < k:
		return fmt.Sprintf("%d B", n)
	case n < k*k:
		return fmt.Sprintf("%.1f KiB", float64(n)/k)
	case n < k*k*k:
		return fmt.Sprintf("%.1f MiB", float64(n)/(k*k))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(k*k*k))
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}
