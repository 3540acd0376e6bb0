package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"basalt/boot/config"
	"basalt/drivers/nicprobe"
	"basalt/mgmt"
	"basalt/vmkernel/host"
	"basalt/vmkernel/hw"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/netstack"
	"basalt/vmkernel/sys"
	"basalt/vmkernel/vfs"
)

// startNetwork brings up files, sockets and every NIC that a driver knows. A host
// without a NIC goes on: its console page says so.
func startNetwork(s *config.Settings, log *slog.Logger) (*netstack.Host, error) {
	fs, err := vfs.New(vfs.Config{})
	if err != nil {
		return nil, err
	}
	installed := false
	network, err := netstack.Bring(netstack.Config{
		Hostname: s.Hostname,
		Setting:  netstack.Setting{DHCP: s.IP.DHCP, Address: s.IP.Address, Gateway: s.IP.Gateway, DNS: s.IP.DNS},
		WriteFile: func(name string, text []byte) error {
			if !installed {
				return nil // written again with the first address
			}
			return os.WriteFile(name, text, 0o644)
		},
		Logf: func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) },
	})
	if err != nil {
		return nil, err
	}
	if !sys.Install(fs, network.Socket) {
		return nil, fmt.Errorf("this kernel was built without the system call overlay")
	}
	installed = true
	machine, err := hw.Discover(linux.Physical(), linux.ACPI(), linux.MADT())
	if err != nil {
		return nil, err
	}
	for _, n := range machine.Notes {
		log.Warn(n)
	}
	nics := nicprobe.Open(machine.Functions)
	if len(nics) == 0 {
		log.Warn("no network device that a driver knows")
	}
	for _, n := range nics {
		log.Info(n.String())
		if n.Err != nil {
			continue
		}
		if _, err := network.Attach(n.Link); err != nil {
			log.Error("a network device cannot be used", "device", n.Device, "err", err)
		}
	}
	return network, nil
}

// announce says in the log where the host is managed, once it has an address.
func announce(agent *mgmt.Agent, network *netstack.Host, h host.Host, log *slog.Logger) {
	if err := network.Ready(context.Background()); err != nil {
		log.Error("no address", "err", err)
		return
	}
	for _, a := range network.Addresses() {
		log.Info("manage this host at https://" + a.Addr().String() + "/")
	}
	log.Info("certificate SHA-256 " + agent.Fingerprint())
	if p := agent.Password(); p != "" {
		log.Info("password of root for this boot: " + p)
	}
	log.Info("ready", "after", h.Info().TimeToReady)
}
