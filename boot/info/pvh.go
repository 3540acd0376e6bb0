package info

// hvm_start_info and what it points to.
const (
	pvhMagic      = 0x336ec578
	pvhInfoSize   = 56
	pvhModuleSize = 32
	pvhMapSize    = 24
	pvhMaxEntries = 4096 // more is nonsense
)

// ParsePVH fills f from the hvm_start_info at pa.
func (f *Facts) ParsePVH(read Reader, pa uint64) Problem {
	*f = Facts{Protocol: PVH}
	b, ok := f.get(read, pa, pvhInfoSize)
	if !ok {
		return ErrUnreadable
	}
	if u32(b, 0) != pvhMagic {
		return ErrMagic
	}
	if u32(b, 4) < 1 {
		return ErrVersion
	}
	modules, modList, cmdline, rsdp := u32(b, 12), u64(b, 16), u64(b, 24), u64(b, 32)
	mmap, entries := u64(b, 40), u32(b, 48)
	if entries > pvhMaxEntries {
		return ErrSize
	}
	for i := uint64(0); i < uint64(entries); i++ {
		if b, ok = f.get(read, mmap+i*pvhMapSize, pvhMapSize); !ok {
			break
		}
		f.addRegion(u64(b, 0), u64(b, 8), e820Kind(u32(b, 16)))
	}
	if cmdline != 0 {
		f.setCmdLine(read, cmdline, MaxCmdLine+1)
	}
	if modules > MaxModules {
		f.Flags |= TruncatedModules
		modules = MaxModules
	}
	for i := uint64(0); i < uint64(modules); i++ {
		if b, ok = f.get(read, modList+i*pvhModuleSize, pvhModuleSize); !ok {
			break
		}
		f.addModule(read, u64(b, 0), u64(b, 8), u64(b, 16), MaxName+1)
	}
	if rsdp != 0 {
		f.setRSDP(read, rsdp)
	}
	return f.finish(entries != 0)
}
