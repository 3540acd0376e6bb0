package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

// parseForward reads PROTOCOL:HOSTPORT:GUESTPORT.
func parseForward(s string) (f wire.Forward, err error) {
	part := strings.Split(s, ":")
	if len(part) == 3 && (part[0] == "tcp" || part[0] == "udp") {
		host, hostErr := strconv.ParseUint(part[1], 10, 16)
		guest, guestErr := strconv.ParseUint(part[2], 10, 16)
		if hostErr == nil && guestErr == nil && host > 0 && guest > 0 {
			return wire.Forward{Protocol: part[0], HostPort: int(host), GuestPort: int(guest)}, nil
		}
	}
	return f, usageError(fmt.Sprintf("port forward %q is not tcp or udp, the host's port and the guest's, such as tcp:2222:22", s))
}

func forwardsText(list []wire.Forward) string {
	var out []string
	for _, f := range list {
		out = append(out, fmt.Sprintf("%s:%d:%d", f.Protocol, f.HostPort, f.GuestPort))
	}
	return printable(strings.Join(out, " "))
}

func (a *app) nicForward() *cobra.Command {
	return &cobra.Command{
		Use: "forward VM NAME [FORWARD...]", Short: "Set the port forwards of a network adapter", Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeNICs,
		Long: `Set which ports of the host lead to a machine's adapter on nat, all of them; without any
there are none from now on. Each is tcp or udp, the host's port and the guest's. They
are open while the machine runs, on every address of the host: whoever reaches the
host's management address reaches the guest by them.` + hotHelp,
		Example: "  basalt vm nic forward web nic0 tcp:2222:22 tcp:8080:80\n  basalt vm nic forward web nic0",
		RunE: work(func(ctx context.Context, args []string) error {
			var list []wire.Forward
			for _, s := range args[2:] {
				f, err := parseForward(s)
				if err != nil {
					return err
				}
				list = append(list, f)
			}
			return a.change(ctx, a.printNICs, func(ctx context.Context, c *client.Client) (wire.VM, error) {
				return c.SetForwards(ctx, args[0], args[1], list)
			})
		}),
	}
}
