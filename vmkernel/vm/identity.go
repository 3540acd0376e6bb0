package vm

import (
	"fmt"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/smbios"
)

// smbiosAt is the place of the SMBIOS tables, in what guests search for them.
const smbiosAt = 0xfe000

// identity is what the machine says of itself in SMBIOS.
func (b *board) identity(c host.Config) {
	b.says = smbios.Config{UUID: c.SystemUUID(), Serial: c.ID, Version: "1", CPUs: c.CPUs}
}

// writeIdentity puts the tables into memory.
func (b *board) writeIdentity() error {
	b.says.Processor = uint64(b.cpus[0].CPUID.Signature())
	b.says.Memory = nil
	for _, r := range ranges(b.mem.Regions()) {
		b.says.Memory = append(b.says.Memory, smbios.Range{Start: r.Start, Size: r.Size})
	}
	image, err := smbios.Build(b.says, smbiosAt)
	if err == nil {
		err = b.mem.Write(smbiosAt, image)
	}
	if err != nil {
		return fmt.Errorf("vm: SMBIOS: %w", err)
	}
	return nil
}
