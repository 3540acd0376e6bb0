package local

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"basalt/arch/x86/cpu"
	"basalt/vmkernel/host"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
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
	Addresses func() []netip.Prefix
	// Reserve is memory that only the kernel itself may take, in bytes.
	Reserve uint64
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

// Networks are what adapters can be on.
func (h *Host) Networks() host.Networks { return h.conf.Networks }

// Events is the event log.
func (h *Host) Events() *host.EventLog { return h.conf.Events }

// Log is the newest part of the kernel's log.
func (h *Host) Log(max int) []byte { return linux.ReadLog(max) }

// Ready fixes the time to ready.
func (h *Host) Ready() { h.ready.CompareAndSwap(0, linux.Uptime()) }

// Memory gives large frames.
func (h *Host) Memory() host.Memory { return memory{h.conf.Reserve} }

type memory struct{ reserve uint64 }

// Free is what Alloc could still give.
func (m memory) Free() uint64 {
	s := pmem.Read()
	if s.Free < m.reserve {
		return 0
	}
	return s.Free - m.reserve
}

// Alloc gives one large frame.
func (m memory) Alloc() (host.Chunk, error) {
	if m.Free() < host.ChunkSize {
		return nil, host.ErrNoMemory
	}
	pa, ok := pmem.AllocLarge()
	if !ok {
		return nil, host.ErrNoMemory
	}
	return &chunk{pa: pa}, nil
}

type chunk struct {
	pa   uint64
	once sync.Once
}

// Bytes is the chunk's memory.
func (c *chunk) Bytes() []byte { return pmem.Bytes(c.pa, host.ChunkSize) }

// Release zeroes the chunk and gives it back.
func (c *chunk) Release() {
	c.once.Do(func() {
		clear(c.Bytes())
		pmem.Free(c.pa, host.ChunkSize/pmem.Frame)
	})
}
