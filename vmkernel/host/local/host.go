package local

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"basalt/arch/x86/cpu"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/linux"
)

// Config is what the kernel's main knows.
type Config struct {
	Hostname  string
	Version   string
	Engine    string // host.EngineVTX, EngineAMDV or EngineNone
	CannotRun string // why there is no engine
	Leaks     []host.Leak
	MaxVCPUs  int
	MinMiB    int
	VMs       host.VMs
	Events    *host.EventLog
	Networks  host.Networks
	Pools     host.Pools
	Addresses func() []netip.Prefix
	// Budget and Frames are what machines have their memory from.
	Budget *gmem.Budget
	Frames gmem.Frames
}

// Host is this machine.
type Host struct {
	conf  Config
	model string
	boot  time.Time // wall clock at the kernel's entry
	ready atomic.Int64
}

// New makes the host.
func New(c Config) *Host {
	return &Host{conf: c, model: brand(), boot: time.Now().Add(-time.Duration(linux.Uptime()))}
}

// brand is the processor's name (SDM Vol. 2A, CPUID leaves 80000002H to 4H).
func brand() string {
	if max, _, _, _ := cpu.CPUID(0x8000_0000, 0); max < 0x8000_0004 {
		return "unknown processor"
	}
	var b []byte
	for leaf := uint32(0x8000_0002); leaf <= 0x8000_0004; leaf++ {
		w0, w1, w2, w3 := cpu.CPUID(leaf, 0)
		for _, w := range [...]uint32{w0, w1, w2, w3} {
			b = append(b, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
		}
	}
	return strings.Join(strings.Fields(strings.TrimRight(string(b), "\x00")), " ")
}

// Info is a fresh snapshot.
func (h *Host) Info() host.Info {
	up := time.Duration(linux.Uptime())
	i := host.Info{
		Hostname: h.conf.Hostname, Product: "Basalt", Version: h.conf.Version,
		Engine: h.conf.Engine, CannotRun: h.conf.CannotRun,
		CPUModel: h.model, CPUs: linux.CPUs(), Leaks: h.conf.Leaks,
		MemoryTotal: linux.Facts().UsableBytes(), MemoryFree: h.Memory().Free(),
		MaxVCPUs: h.conf.MaxVCPUs, MinMemoryMiB: h.conf.MinMiB,
		BootTime: h.boot, Uptime: up, TimeToReady: time.Duration(h.ready.Load()),
	}
	if h.conf.Addresses != nil {
		i.Addresses = h.conf.Addresses()
	}
	return i
}

// VMs is the table of virtual machines.
func (h *Host) VMs() host.VMs { return h.conf.VMs }

// Pools are the resource pools.
func (h *Host) Pools() host.Pools { return h.conf.Pools }

// Networks are what adapters can be on.
func (h *Host) Networks() host.Networks { return h.conf.Networks }

// Events is the event log.
func (h *Host) Events() *host.EventLog { return h.conf.Events }

// Log is the newest part of the kernel's log.
func (h *Host) Log(max int) []byte { return linux.ReadLog(max) }

// Ready fixes the time to ready.
func (h *Host) Ready() { h.ready.CompareAndSwap(0, linux.Uptime()) }
