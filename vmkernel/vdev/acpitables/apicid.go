package acpitables

// firstWide is the lowest APIC ID, and UID, for which the structures with 8 bits have no
// room; others stay in them (5.2.12.2, 5.2.12.12).
const firstWide = 255

// maxIDShift keeps MaxCPUs IDs below the one of all.
const maxIDShift = 15

// apicID is the APIC ID of processor i.
func (cfg *Config) apicID(i int) uint32 { return uint32(i) << cfg.IDShift }

// wide says that a processor, of all that there can be, has a wide APIC ID.
func (cfg *Config) wide() bool {
	return cfg.apicID(max(cfg.CPUs, cfg.MaxCPUs)-1) >= firstWide
}

// apicEntry is processor i in the MADT, for _MAT too.
func (cfg *Config) apicEntry(i int, flags uint32) []byte {
	id := cfg.apicID(i)
	if id < firstWide {
		return le.AppendUint32([]byte{typeLAPIC, 8, byte(i), byte(id)}, flags)
	}
	t := []byte{typeX2APIC, 16, 0, 0}
	for _, v := range []uint32{id, flags, uint32(i)} {
		t = le.AppendUint32(t, v)
	}
	return t
}
