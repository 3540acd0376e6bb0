package hw

import (
	"fmt"

	"basalt/drivers/pci"
	"basalt/vmkernel/irq"
)

// messageBase is the address range of interrupt messages (SDM Vol. 3A, 11.11.1):
// physical destination mode, no redirection hint.
const messageBase = 0xfee0_0000

// message is a vector that a device raises by writing Data to Address: fixed
// delivery, edge-triggered (SDM Vol. 3A, 11.11.2).
type message struct{ *irq.Line }

var _ pci.Message = message{}

// Message implements pci.Platform.
func (m *Machine) Message(name string) (pci.Message, error) {
	l, err := irq.New(name, -1)
	if err != nil {
		return nil, err
	}
	if l.APICID() > 0xff {
		l.Close()
		return nil, fmt.Errorf("hw: %s: processor with APIC ID %d cannot be reached without interrupt remapping", name, l.APICID())
	}
	return message{l}, nil
}

func (m message) Address() uint64 { return messageBase | uint64(m.APICID())<<12 }
func (m message) Data() uint32    { return uint32(m.Vector()) }
