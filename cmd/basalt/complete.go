package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
)

// Completion asks the host, but never for long.
const completionTime = 2 * time.Second

func (a *app) complete(c *cobra.Command, f func(context.Context, *client.Client) []string) ([]string, cobra.ShellCompDirective) {
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	cl, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer cl.Close()
	return f(ctx, cl), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeVMs(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.complete(c, func(ctx context.Context, cl *client.Client) (out []string) {
		vms, _ := cl.VMs(ctx)
		for _, v := range vms {
			out = append(out, v.Name+"\t"+v.State)
		}
		return out
	})
}

func (a *app) completeFiles(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.complete(c, func(ctx context.Context, cl *client.Client) (out []string) {
		l, _ := cl.Files(ctx, prefix)
		for _, f := range l.Files {
			out = append(out, f.Path)
		}
		return out
	})
}

func (a *app) completeHosts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	conf, err := loadConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for n, h := range conf.Hosts {
		out = append(out, n+"\t"+h.Address)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
