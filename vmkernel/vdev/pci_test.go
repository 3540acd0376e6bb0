package vdev_test

import (
	"encoding/binary"
	"testing"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/lapic"
	"basalt/vmkernel/vdev/pcie"
)

// card is a function with one register.
type card struct{ v uint32 }

func (c *card) Name() string { return "card" }
func (c *card) Reset()       { c.v = 0 }
func (c *card) ReadBAR(_ int, _ uint64, data []byte) vbus.Access {
	copy(data, binary.LittleEndian.AppendUint64(nil, uint64(c.v)))
	return vbus.OK
}
func (c *card) WriteBAR(_ int, _ uint64, data []byte) vbus.Access {
	c.v = uint32(data[0])
	return vbus.OK
}

func (b *board) dword(gpa uint64, v uint32) {
	b.bus.WriteMMIO(gpa, binary.LittleEndian.AppendUint32(nil, v))
}

// pci adds a root complex with a card in slot 0, as firmware leaves it.
func (b *board) pci() (*pcie.Root, *pcie.Endpoint) {
	b.t.Helper()
	w, err := pcie.Layout(512<<20, 0, 39)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := pcie.New(pcie.RootConfig{Bus: b.bus, Sink: b.apics, Line: b.io.Line, Slots: 2, Windows: w})
	if err != nil {
		b.t.Fatal(err)
	}
	e, err := pcie.NewEndpoint(pcie.Config{Vendor: 0x1af4, Device: 0x1042, Pin: 1, Vectors: 2, MSIXBAR: 1, BARs: [6]pcie.BAR{{Size: 0x1000}}}, &card{})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := r.Plug(e); err != nil {
		b.t.Fatal(err)
	}
	if err := r.Configure(); err != nil {
		b.t.Fatal(err)
	}
	return r, e
}

const cardConfig = pcie.ECAMBase + spec.ECAMBusSize

func TestINTxThroughIOAPIC(t *testing.T) {
	b := newBoard(t)
	b.apics.APIC(0).Write(lapic.LVT0, 0x10000, 0)
	_, e := b.pci()
	b.rte(pcie.GSI(16, 1), 0x51|1<<15|1<<13)
	e.SetINTx(true)
	a := b.apics.APIC(0)
	for range 3 { // level-triggered: again after each EOI
		v, ok := a.Pending()
		if !ok || v != 0x51 {
			t.Fatal("no interrupt")
		}
		a.Ack(v)
		a.Write(lapic.EOI, 0, 0)
	}
	e.SetINTx(false)
	v, _ := a.Pending()
	a.Ack(v)
	a.Write(lapic.EOI, 0, 0)
	if got := b.interrupts(); len(got) != 0 {
		t.Errorf("still there: %x", got)
	}
}

func TestMessageReachesAPIC(t *testing.T) {
	b := newBoard(t)
	b.apics.APIC(0).Write(lapic.LVT0, 0x10000, 0)
	_, e := b.pci()
	b.message(0xFEE0_0000, 0x61)
	e.Signal(0)
	if got := b.interrupts(); len(got) != 1 || got[0] != 0x61 {
		t.Errorf("%x", got)
	}
}

// message makes the card's first interrupt a message.
func (b *board) message(addr, data uint32) {
	b.dword(cardConfig+spec.Command, spec.CommandMemory|spec.CommandBusMaster)
	table := make([]byte, 4)
	b.bus.ReadMMIO(cardConfig+spec.BaseAddress0+4, table)
	at := uint64(binary.LittleEndian.Uint32(table))
	b.dword(at+spec.MSIXEntryAddr, addr)
	b.dword(at+spec.MSIXEntryData, data)
	b.dword(at+spec.MSIXEntryControl, 0)
	for off := uint64(spec.FirstCapability); off < spec.ConfigSize; off += 4 {
		id := []byte{0}
		if b.bus.ReadMMIO(cardConfig+off, id); id[0] == spec.CapMSIX {
			b.bus.WriteMMIO(cardConfig+off+spec.MSIXControl, []byte{0, spec.MSIXEnable >> 8})
			break
		}
	}
}

// TestWideDestinations: a pin of the I/O APIC and a card's message reach the processor
// with ID 256 and nobody else, by the seven more bits that each has.
func TestWideDestinations(t *testing.T) {
	set := lapic.NewSpread(8, lapic.Config{X2APIC: true}, lapic.Config{X2APIC: true})
	b := newBoardOf(t, set)
	_, e := b.pci()
	for i := range 2 {
		a := set.At(i)
		a.SetBase(a.Base()|lapic.BaseEXTD, 40)
		a.WriteMSR(lapic.MSRx2APIC+lapic.SVR>>4, 0x1FF, 0)
	}
	took := func(what string, cpu int, want uint8) {
		t.Helper()
		for i := range 2 {
			v, ok := set.At(i).Pending()
			if ok != (i == cpu) || ok && v != want {
				t.Errorf("%s: CPU %d: %v, vector %#x", what, i, ok, v)
			}
			if ok {
				set.At(i).Ack(v)
				set.At(i).EOI()
			}
		}
	}
	for cpu := range 2 {
		b.rte(5, uint64(cpu)<<49|0x50)
		b.io.Line(5).Set(true)
		b.io.Line(5).Set(false)
		took("pin", cpu, 0x50)
		b.message(0xFEE0_0000|uint32(cpu)<<5, 0x61)
		e.Signal(0)
		took("message", cpu, 0x61)
	}
	// The EOI of a level there opens the pin.
	b.rte(6, 1<<49|1<<15|0x51)
	b.io.Line(6).Set(true)
	took("level", 1, 0x51)
	took("level again", 1, 0x51)
}

// TestResetRegisterBesideConfigAddress: 0xCF9 as a byte is the reset register,
// 0xCF8 as a dword is not.
func TestResetRegisterBesideConfigAddress(t *testing.T) {
	b := newBoard(t)
	b.pci()
	b.bus.WritePort(spec.ConfigAddressPort, []byte{6, 6, 6, 0x80})
	if b.resets != 0 {
		t.Error("a configuration address resets the machine")
	}
	b.outb(acpipm.ResetPort, 2, acpipm.ResetValue)
	if b.resets != 1 {
		t.Error("no reset")
	}
}

func TestGenerationEventIsAnSCI(t *testing.T) {
	b := newBoard(t)
	b.apics.APIC(0).Write(lapic.LVT0, 0x10000, 0)
	b.rte(acpipm.SCI, 0x29|1<<15)
	b.bus.WritePort(acpipm.GPEAt+2, []byte{1 << acpipm.GPEGenerationID, 0})
	b.pm.Event(acpipm.GPEGenerationID)
	a := b.apics.APIC(0)
	v, ok := a.Pending()
	if !ok || v != 0x29 {
		t.Fatal("no SCI")
	}
	a.Ack(v)
	b.outb(acpipm.GPEAt, 1<<acpipm.GPEGenerationID)
	a.Write(lapic.EOI, 0, 0)
	if got := b.interrupts(); len(got) != 0 {
		t.Errorf("still there: %x", got)
	}
}
