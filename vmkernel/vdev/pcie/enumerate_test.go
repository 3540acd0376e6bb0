package pcie

import (
	"fmt"
	"strings"
	"testing"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	"basalt/drivers/pci"
	spec "basalt/drivers/spec/pci"
)

// hostView is the virtual machine as the host's own PCI code sees a machine: the
// two halves test each other.
type hostView struct {
	*rig
	messages int
	wires    []string
}

// region is a window of guest-physical memory.
type region struct {
	r   *rig
	gpa uint64
}

func (w region) Load(off uintptr, n int) uint64 {
	v, _ := w.r.mem(w.gpa+uint64(off), n)
	return v
}
func (w region) Store(off uintptr, n int, v uint64) { w.r.poke(w.gpa+uint64(off), n, v) }

// portRange is a window of I/O ports.
type portRange struct {
	r    *rig
	base uint16
}

func (w portRange) Load(off uintptr, n int) uint64 {
	b := make([]byte, 8)
	w.r.bus.ReadPort(w.base+uint16(off), b[:n])
	return le.Uint64(b)
}
func (w portRange) Store(off uintptr, n int, v uint64) {
	b := make([]byte, 8)
	le.PutUint64(b, v)
	w.r.bus.WritePort(w.base+uint16(off), b[:n])
}

func (h *hostView) MapMemory(pa, size uint64) (bus.Registers, error) {
	return bustest.Registers(region{h.rig, pa}, uintptr(size)), nil
}
func (h *hostView) MapPorts(port, size uint16) (bus.Registers, error) {
	return bustest.Registers(portRange{h.rig, port}, uintptr(size)), nil
}
func (h *hostView) AllocDMA(size int, low32 bool) (bus.DMA, error) {
	return new(bustest.Memory).Alloc(size, low32)
}
func (h *hostView) Message(string) (pci.Message, error) {
	h.messages++
	return message{h.messages, bustest.NewInterrupt(false)}, nil
}
func (h *hostView) Wire(name string, root pci.Address, pin, line uint8) (bus.Interrupt, error) {
	h.wires = append(h.wires, fmt.Sprintf("%s at %v pin %d line %d", name, root, pin, line))
	return bustest.NewInterrupt(true), nil
}

type message struct {
	n int
	*bustest.Interrupt
}

func (m message) Address() uint64 { return 0xfee0_0000 }
func (m message) Data() uint32    { return uint32(0x50 + m.n) }

func (h *hostView) ecam() *pci.ECAM {
	return &pci.ECAM{Base: ECAMBase, End: 255, Map: h.MapMemory}
}

func (h *hostView) ports() *pci.Ports {
	return &pci.Ports{IO: bustest.Registers(portRange{h.rig, spec.ConfigAddressPort}, 8)}
}

// TestHostEnumeration runs drivers/pci against the root complex, by both ways.
func TestHostEnumeration(t *testing.T) {
	r := newRig(t, 18)
	h := &hostView{rig: r}
	var cards []*Endpoint
	for i, slot := range []int{0, 3, 17} {
		e, _ := r.endpoint(fmt.Sprint("nic", i), nic())
		_, err := r.root.PlugSlot(e, slot)
		must(t, err)
		cards = append(cards, e)
	}
	wired, _ := r.endpoint("wired", Config{Vendor: 0x1af4, Device: 0x1050, Class: 0x038000, Pin: 2})
	_, err := r.root.PlugSlot(wired, 9)
	must(t, err)
	rng, _ := r.endpoint("rng", Config{Vendor: 0x1af4, Device: 0x1044, Class: 0xff0000, MSI: true, BARs: [6]BAR{{Size: 1 << 20, Kind: Mem64, Prefetch: true}}})
	_, err = r.root.PlugFixed(rng)
	must(t, err)
	must(t, r.root.Configure())
	list := func(s pci.Space) *pci.Bus {
		b, err := pci.Enumerate(s, h, 0, 0)
		must(t, err)
		return b
	}
	e, p := list(h.ecam()), list(h.ports())
	eq(t, "ports and ECAM agree", fmt.Sprint(p.Functions), fmt.Sprint(e.Functions))
	var got []string
	for _, f := range e.Functions {
		if f.Class()>>8 != spec.ClassBridgePCI {
			got = append(got, f.String())
		}
	}
	eq(t, "functions", strings.Join(got, ", "), "0000:00:00.0 8086:29c0 class 060000, 0000:00:01.0 1af4:1044 class ff0000, "+
		"0000:01:00.0 1af4:1041 class 020000, 0000:04:00.0 1af4:1041 class 020000, 0000:0a:00.0 1af4:1050 class 038000, "+
		"0000:12:00.0 1af4:1041 class 020000, 0000:00:1f.0 8086:2918 class 060100")
	eq(t, "ports", len(e.Functions)-len(got), 18)
	eq(t, "skipped", e.Skipped, []string(nil))
	for i, f := range e.Find(func(d bus.Device) bool { return d.Class() == 0x020000 }) {
		regs, err := f.BAR(0)
		must(t, err)
		eq(t, "BAR 0", regs.Read32(0x10), 0x13121110)
		io, err := f.BAR(2)
		must(t, err)
		eq(t, "I/O BAR", io.Read8(1), 0x21)
		far, err := f.SizeBAR(4)
		must(t, err)
		if far.Size != 0x4000 || !far.Wide || !far.Prefetch || far.Addr < 3<<38 {
			t.Errorf("BAR 4: %+v", far)
		}
		f.EnableBusMaster()
		v, err := f.Interrupts(2)
		must(t, err)
		eq(t, "vectors", len(v), 2)
		v[1].Enable()
		r.sink.take()
		cards[i].Signal(1)
		eq(t, "message", r.sink.take(), []string{fmt.Sprintf("fee00000/%x", 0x50+h.messages)})
		v[1].Disable()
		cards[i].Signal(1)
		eq(t, "masked", len(r.sink.take()), 0)
		v[1].Enable()
		eq(t, "it was pending", len(r.sink.take()), 1)
	}
	for _, f := range e.Find(func(d bus.Device) bool { return d.Class() == 0x038000 }) {
		_, err := f.Interrupts(1)
		must(t, err)
		eq(t, "wire", h.wires, []string{"0000:0a:00.0 at 0000:00:11.1 pin 2 line 22"})
		eq(t, "routing", GSI(0x11, 2), 22)
		wired.SetINTx(true)
		eq(t, "line 22", r.low(22), false)
	}
}
