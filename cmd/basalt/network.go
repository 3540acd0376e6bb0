package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

func (a *app) networkCommand() *cobra.Command {
	c := group("network", "Show the host's networks, and capture their ports",
		`nat is behind the host's address: its guests reach out, and port forwards lead in. Every
other network is a switch with a network device of the host as its uplink. A machine's
port is named by the machine's id, or its name, a slash, and the adapter's name.`,
		a.networkList(), a.networkShow(), a.networkCapture())
	c.Aliases = []string{"networks", "net"}
	return c
}

func (a *app) networkList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List networks", Args: cobra.NoArgs,
		Long: "List the networks that adapters can be on.", Example: "  basalt network ls",
		RunE: work(func(ctx context.Context, _ []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				list, err := c.Networks(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer) {
					fmt.Fprintln(w, "NAME\tKIND\tMTU\tGATEWAY\tPORTS\tLEASES\tFORWARDS")
					for _, n := range list {
						fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%d\n", printable(n.Name), printable(n.Kind), n.MTU, dash(n.Gateway), len(n.Ports), len(n.Leases), len(n.Forwards))
					}
				})
			})
		}),
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return printable(s)
}

func (a *app) networkShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NETWORK", Short: "Describe a network", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeNetworks,
		Long: "Print a network's ports with their counters, and on nat the guests' leases and the open port forwards.", Example: "  basalt network show nat",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				n, err := c.Network(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(n, func(w io.Writer) { printNetwork(w, n) })
			})
		}),
	}
}

func printNetwork(w io.Writer, n wire.Network) {
	fmt.Fprintln(w, "PORT\tMACHINE\tMAC\tLINK\tRX PACKETS\tRX BYTES\tTX PACKETS\tTX BYTES\tLOST")
	for _, p := range n.Ports {
		link := "down"
		if p.Up {
			link = "up"
		}
		var lost []string
		for _, cause := range slices.Sorted(maps.Keys(p.Drops)) {
			lost = append(lost, fmt.Sprintf("%s %d", cause, p.Drops[cause]))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s\n", printable(p.Name), dash(p.VM), dash(p.MAC), link, p.RxPackets, size(p.RxBytes),
			p.TxPackets, size(p.TxBytes), dash(strings.Join(lost, ", ")))
	}
	if len(n.Leases) > 0 {
		fmt.Fprintln(w, "\nADDRESS\tMACHINE\tMAC\tUNTIL")
	}
	for _, l := range n.Leases {
		until := "reserved"
		if l.Until != nil {
			until = l.Until.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(l.Address), dash(l.VM), printable(l.MAC), until)
	}
	if len(n.Forwards) > 0 {
		fmt.Fprintln(w, "\nHOST'S PORT\tGUEST")
	}
	for _, f := range n.Forwards {
		fmt.Fprintf(w, "%s %d\t%s\n", printable(f.Protocol), f.HostPort, printable(f.Guest))
	}
}

func (a *app) networkCapture() *cobra.Command {
	var snap int
	c := &cobra.Command{
		Use: "capture NETWORK PORT", Short: "Write what a port sends and receives as a pcap file", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completePorts,
		Long: `Write what a port of a network sends and receives to standard output, as a pcap file,
until Ctrl-C or until the port is gone. What the connection is too slow for is left out:
the host's events say how much.`,
		Example: "  basalt network capture nat web/nic0 > web.pcap\n  basalt network capture nat web/nic0 | tcpdump -nr -",
		RunE: work(func(ctx context.Context, args []string) error {
			if _, live := terminal(a.out); live {
				return usageError("a pcap file is not for a terminal: redirect it, such as > file.pcap")
			}
			return a.stream(ctx, func(ctx context.Context, c *client.Client) error {
				port := args[1]
				if name, nic, ok := strings.Cut(port, "/"); ok {
					if vm, err := c.VM(ctx, name); err == nil {
						port = vm.ID + "/" + nic
					}
				}
				r, err := c.Capture(ctx, args[0], port, snap)
				if err != nil {
					return err
				}
				defer r.Close()
				if _, err = io.Copy(a.out, r); ctx.Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
					return nil // Ctrl-C is how it ends
				}
				return err
			})
		}),
	}
	c.Flags().IntVar(&snap, "snap", 0, "keep so many `bytes` of each frame")
	return c
}

func (a *app) completeNetworks(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(c, func(ctx context.Context, cl *client.Client) (out []string) {
		list, _ := cl.Networks(ctx)
		for _, n := range list {
			out = append(out, n.Name+"\t"+n.Kind)
		}
		return out
	})
}

func (a *app) completePorts(c *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeNetworks(c, args, to)
	}
	return a.complete(c, func(ctx context.Context, cl *client.Client) (out []string) {
		n, _ := cl.Network(ctx, args[0])
		for _, p := range n.Ports {
			name := p.Name
			if _, nic, ok := strings.Cut(name, "/"); ok && p.VM != "" {
				name = p.VM + "/" + nic
			}
			out = append(out, name)
		}
		return out
	})
}
