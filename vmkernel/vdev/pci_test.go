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
	b.dword(cardConfig+spec.Command, spec.CommandMemory|spec.CommandBusMaster)
	table := make([]byte, 4)
	b.bus.ReadMMIO(cardConfig+spec.BaseAddress0+4, table)
	at := uint64(binary.LittleEndian.Uint32(table))
	b.dword(at+spec.MSIXEntryAddr, 0xFEE0_0000)
	b.dword(at+spec.MSIXEntryData, 0x61)
	b.dword(at+spec.MSIXEntryControl, 0)
	for off := uint64(spec.FirstCapability); off < spec.ConfigSize; off += 4 {
		id := []byte{0}
		if b.bus.ReadMMIO(cardConfig+off, id); id[0] == spec.CapMSIX {
			b.bus.WriteMMIO(cardConfig+off+spec.MSIXControl, []byte{0, spec.MSIXEnable >> 8})
			break
		}
	}
	e.Signal(0)
	if got := b.interrupts(); len(got) != 1 || got[0] != 0x61 {
		t.Errorf("%x", got)
	}
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
