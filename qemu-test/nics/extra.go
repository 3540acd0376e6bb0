package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"basalt/drivers/netio"
	"basalt/drivers/nicprobe"
	"basalt/drivers/uart"
	"basalt/vmkernel/hw"
)

// QEMU's ACPI PCI hot-plug registers on the pc machine (QEMU,
// docs/specs/acpi_pci_hotplug): ejecting is a bit for each slot of the selected bus.
const (
	hotplugBase  = 0xae00
	hotplugEject = 0x08
	hotplugBus   = 0x10
)

// eject pulls a device out while a receiver waits and a sender sends.
func eject(n nicprobe.NIC) error {
	var domain, bus, slot, fn int
	if _, err := fmt.Sscanf(n.Device, "%x:%x:%x.%x", &domain, &bus, &slot, &fn); err != nil {
		return err
	}
	p := hw.Ports(hotplugBase, 0x18)
	p.Write32(hotplugBus, 0)
	p.Write32(hotplugEject, 1<<slot)

	start := time.Now()
	frame := make([]byte, 60)
	for time.Since(start) < answerTime {
		if _, err := n.Link.Send([][]byte{frame}); err != nil {
			if !errors.Is(err, netio.ErrGone) {
				return err
			}
			bufs, sizes := [][]byte{make([]byte, netio.MaxFrame)}, []int{0}
			if _, err := n.Link.Receive(bufs, sizes); !errors.Is(err, netio.ErrGone) {
				return fmt.Errorf("receive says %v", err)
			}
			fmt.Printf("nics: %s: gone, noticed: %v\n", n.Link.Name(), err)
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("not noticed")
}

// COM2 as PCs have it.
const (
	com2Port = 0x2f8
	com2IRQ  = 3
)

// loopback sends text through COM2 to itself.
func loopback(m *hw.Machine) error {
	irq, err := m.ISA("com2", com2IRQ)
	if err != nil {
		return err
	}
	p, err := uart.Open(hw.Ports(com2Port, 8), irq, uart.Config{Name: "com2", Loopback: true})
	if err != nil {
		return err
	}
	// One FIFO at a time: an emulator's loopback takes no time, so more would
	// overrun the receiver.
	text, got := []byte("0123456789abcdef"), make([]byte, 16)
	for range 100 {
		if _, err := p.Write(text); err != nil {
			return err
		}
		if _, err := io.ReadFull(p, got); err != nil {
			return err
		}
		if !bytes.Equal(got, text) {
			return errors.New("text came back changed")
		}
	}
	fmt.Printf("nics: COM2: %+v\n", p.Stats())
	return p.Close()
}
