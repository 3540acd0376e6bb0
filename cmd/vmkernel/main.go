// Command vmkernel is the kernel: it wires the packages together and nothing else.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"basalt/boot/config"
	"basalt/mgmt"
	"basalt/mgmt/version"
	"basalt/vmkernel/console"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/local"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vm/ring0"
)

func main() {
	settings := readSettings()
	screen := attachScreen()
	var out io.Writer = os.Stdout
	if screen != nil {
		out = io.MultiWriter(os.Stdout, screen)
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: settings.LogLevel, ReplaceAttr: uptimeOnly}))
	slog.SetDefault(log)
	if err := run(settings, screen, log); err != nil {
		log.Error("the host cannot start", "err", err)
		panic(err)
	}
}

func run(settings *config.Settings, screen *console.Console, log *slog.Logger) error {
	hz, source := linux.TSCHz()
	log.Info("Basalt "+version.Version, "cpus", linux.CPUs(), "MiB", linux.Facts().UsableBytes()>>20, "TSC MHz", hz/1e6, "by", source,
		"boot", linux.Facts().Protocol, "random", linux.RandomSource())
	logTSC(log)
	for _, w := range settings.Warnings {
		log.Warn(w)
	}
	linux.RebootOnFatal = settings.Panic == config.Reboot
	network, err := startNetwork(settings, log)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	engine := findEngine(settings, log).within(pmem.Read().Free, leastGuestMiB, log)
	events := host.NewEventLog(nil)
	memory, heap := newBudget()
	vms, pools, err := newVMs(engine, memory, heap, settings.GuestCPUs, network.Networks, events, log)
	if err != nil {
		return err
	}
	cpus, minMiB := vms.Limits()
	h := local.New(local.Config{
		Hostname: settings.Hostname, Version: version.Version, Engine: engine.name, CannotRun: engine.why, Leaks: engine.leaks,
		MaxVCPUs: cpus, MinMiB: minMiB, VMs: vms, Networks: network.Networks, Pools: pools, Events: events, Addresses: network.Addresses, Budget: memory, Frames: ring0.Frames{},
	})
	agent, err := mgmt.New(h, mgmt.Config{Password: string(settings.Password), Reserve: reserve, Log: log, Preload: bringFiles(memory, log)})
	if err != nil {
		return err
	}
	go showPage(screen, agent)
	ln, err := net.Listen("tcp", ":443")
	if err != nil {
		return fmt.Errorf("the API's port: %w", err)
	}
	crashOnRequest()
	go announce(agent, network, h, log)
	return agent.Serve(ln)
}

// leastGuestMiB is free memory, beside the reserve, below which the host says that
// it cannot run guests.
const leastGuestMiB = 8

// reserve is host memory that is promised to neither files nor guests.
const reserve = 48 << 20
