package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) vmShutdown() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "shutdown VM...", Short: "Press the power button of machines", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeVMs,
		Long: `Press the ACPI power button of running machines. A guest that listens to it shuts down in
order and its machine is off then; one that does not goes on. With --wait, wait as
long for every machine to be off: exit code 8 if one is not.`,
		Example: "  basalt vm shutdown web --wait 2m || basalt vm stop web",
		RunE: work(func(ctx context.Context, args []string) error {
			if wait < 0 {
				return usageError(fmt.Sprintf("--wait %s is in the past", wait))
			}
			if err := a.act(ctx, "shutdown", args); err != nil || wait == 0 {
				return err
			}
			end := time.Now().Add(wait)
			for _, n := range args {
				if err := a.waitFor(ctx, n, "off", max(time.Until(end), time.Millisecond)); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	c.Flags().DurationVar(&wait, "wait", 0, "how long to wait until they are off")
	return c
}
