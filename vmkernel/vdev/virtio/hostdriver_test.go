package virtio_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
	host "basalt/drivers/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/virtio"
)

// hostBus shows the device to the VMkernel's own driver: what that does as a guest
// in another Basalt is done here without one.
type hostBus struct {
	bustest.Device
	dev  *virtio.Device
	mem  *gmem.Memory
	next uint64
	bad  int
}

func newHostBus(r *rig) *hostBus {
	p := r.dev.PCI()
	cfg := bustest.RAM(256)
	b := cfg.Bytes()
	binary.LittleEndian.PutUint16(b, p.Vendor)
	binary.LittleEndian.PutUint16(b[2:], p.Device)
	b[pcispec.Status] = pcispec.StatusCapabilities
	at, link := 0x40, pcispec.CapabilitiesPtr
	for _, c := range p.Capabilities {
		b[link] = byte(at)
		b[at] = c.ID
		copy(b[at+2:], c.Body)
		link, at = at+1, at+(len(c.Body)+2+3)&^3
	}
	h := &hostBus{dev: r.dev, mem: r.Mem, next: virtiotestData}
	h.Addr, h.ConfigRegs = "test:00:05.0", cfg
	h.BARs = map[int]bus.Registers{virtio.RegistersBAR: bustest.Registers(h, uintptr(p.BARSize))}
	return h
}

const virtiotestData = 2 << 20

// Load and Store are bustest.Handler on the device's registers.
func (h *hostBus) Load(off uintptr, n int) uint64 {
	var b [8]byte
	if h.dev.ReadBAR(virtio.RegistersBAR, uint64(off), b[:n]) != vbus.OK {
		h.bad++
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (h *hostBus) Store(off uintptr, n int, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	if h.dev.WriteBAR(virtio.RegistersBAR, uint64(off), b[:n]) != vbus.OK {
		h.bad++
	}
}

// AllocDMA gives guest memory.
func (h *hostBus) AllocDMA(n int, _ bool) (bus.DMA, error) {
	w, err := h.mem.Pin(h.next, uint64(n))
	if err != nil {
		return nil, err
	}
	d := &guestDMA{h.mem, w, h.next}
	h.next += uint64(n+4095) &^ 4095
	return d, nil
}

type guestDMA struct {
	m  *gmem.Memory
	w  *gmem.Window
	at uint64
}

func get[T any](v T, ok bool) T {
	if !ok {
		panic("not memory")
	}
	return v
}

func put(ok bool) { get(0, ok) }

func (d *guestDMA) Read8(o uintptr) uint8       { return get(d.m.Uint8(d.at + uint64(o))) }
func (d *guestDMA) Read16(o uintptr) uint16     { return get(d.m.Uint16(d.at + uint64(o))) }
func (d *guestDMA) Read32(o uintptr) uint32     { return get(d.m.Uint32(d.at + uint64(o))) }
func (d *guestDMA) Read64(o uintptr) uint64     { return get(d.m.Uint64(d.at + uint64(o))) }
func (d *guestDMA) Write8(o uintptr, v uint8)   { put(d.m.PutUint8(d.at+uint64(o), v)) }
func (d *guestDMA) Write16(o uintptr, v uint16) { put(d.m.PutUint16(d.at+uint64(o), v)) }
func (d *guestDMA) Write32(o uintptr, v uint32) { put(d.m.PutUint32(d.at+uint64(o), v)) }
func (d *guestDMA) Write64(o uintptr, v uint64) { put(d.m.PutUint64(d.at+uint64(o), v)) }
func (d *guestDMA) Size() uintptr               { return uintptr(len(d.w.Bytes())) }
func (d *guestDMA) Bytes() []byte               { return d.w.Bytes() }
func (d *guestDMA) Addr() uint64                { return d.at }
func (d *guestDMA) Free()                       { d.w.Unpin() }

func TestTheHostsOwnDriver(t *testing.T) {
	for name, features := range map[string][]uint{"flags": nil, "events": {spec.FRingEventIdx}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			h := newHostBus(r)
			tr, err := host.Open(h)
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Negotiate(features...); err != nil {
				t.Fatal(err)
			}
			if err := tr.ConfigVector(0); err != nil {
				t.Fatal(err)
			}
			var queues []*host.Queue
			for i := range uint16(2) {
				q, err := tr.NewQueue(i, 32, i+1)
				if err != nil {
					t.Fatal(err)
				}
				defer q.Free()
				queues = append(queues, q)
			}
			data, err := h.AllocDMA(64*16, false)
			if err != nil {
				t.Fatal(err)
			}
			defer data.Free()
			if err := tr.Ready(); err != nil {
				t.Fatal(err)
			}
			for round := range 40 {
				q := queues[round%2]
				for i := range uintptr(16) {
					data.Write32(64*i, uint32(round)<<8|uint32(i))
					data.Write32(64*i+32, 0)
					if _, ok := q.Add([]host.Segment{{Addr: data.Addr() + uint64(64*i), Len: 4}, {Addr: data.Addr() + uint64(64*i+32), Len: 4, Write: true}}); !ok {
						t.Fatal("no room")
					}
				}
				q.Publish()
				for n := 0; n < 16; {
					_, written, ok, err := q.Take()
					if err != nil {
						t.Fatal(err)
					}
					if ok && written != 4 {
						t.Fatalf("%d bytes", written)
					}
					if ok {
						n++
					} else {
						runtime.Gosched()
					}
				}
				for i := range uintptr(16) {
					want(t, "answer", data.Read32(64*i+32), uint32(round)<<8|uint32(i))
				}
				if _, err := tr.Status(); err != nil {
					t.Fatal(fmt.Errorf("round %d: %w: %w", round, err, r.dev.Err()))
				}
			}
			tr.Stable(func() { want(t, "configuration", tr.Config().Read32(8), 1) })
			if err := tr.Reset(); err != nil {
				t.Error(err)
			}
			want(t, "accesses that were refused", h.bad, 0)
		})
	}
}
