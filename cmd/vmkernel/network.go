package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"basalt/boot/config"
	"basalt/mgmt"
	"basalt/vmkernel/host"
	"basalt/vmkernel/hostnet"
	"basalt/vmkernel/hw"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/netstack"
)

// startNetwork brings up files, sockets and every NIC that a driver knows. A host
// without a NIC goes on: its console page says so.
func startNetwork(s *config.Settings, log *slog.Logger) (*hostnet.Host, error) {
	machine, err := hw.Discover(linux.Physical(), linux.ACPI(), linux.MADT())
	if err != nil {
		return nil, err
	}
	for _, n := range machine.Notes {
		log.Warn(n)
	}
	h, err := hostnet.Start(machine, hostnet.Config{
		Hostname: s.Hostname,
		Setting:  netstack.Setting{DHCP: s.IP.DHCP, Address: s.IP.Address, Gateway: s.IP.Gateway, DNS: s.IP.DNS},
		Logf:     func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) },
	})
	if errors.Is(err, hostnet.ErrNoDevice) {
		log.Warn(err.Error())
		err = nil
	}
	return h, err
}

// announce says in the log where the host is managed, once it has an address.
func announce(agent *mgmt.Agent, network *hostnet.Host, h host.Host, log *slog.Logger) {
	if err := network.Ready(context.Background()); err != nil {
		log.Error("no address", "err", err)
		return
	}
	agent.Refresh()
	st, _ := agent.Status().Get()
	for _, u := range st.URLs {
		log.Info("manage this host at " + u)
	}
	log.Info("certificate SHA-256 " + agent.Fingerprint())
	if p := agent.Password(); p != "" {
		log.Info("password of root for this boot: " + p)
	}
	log.Info("ready", "after", h.Info().TimeToReady)
	for {
		<-network.Changed()
		agent.Refresh()
	}
}
