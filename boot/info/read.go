package info

// get reads n bytes (at most len(scratch)) at pa into the scratch buffer.
func (f *Facts) get(read Reader, pa uint64, n int) ([]byte, bool) {
	b := f.scratch[:n]
	if pa >= maxPhysical || !read(pa, b) {
		f.Flags |= Unreadable
		return nil, false
	}
	return b, true
}

func u16(b []byte, off int) uint16 { return uint16(b[off]) | uint16(b[off+1])<<8 }

func u32(b []byte, off int) uint32 {
	return uint32(b[off]) | uint32(b[off+1])<<8 | uint32(b[off+2])<<16 | uint32(b[off+3])<<24
}

func u64(b []byte, off int) uint64 { return uint64(u32(b, off)) | uint64(u32(b, off+4))<<32 }

// getString copies a string of at most limit bytes (or up to a zero byte, if
// one comes first) at pa into dst. It reports the length and whether more
// followed than fits.
func (f *Facts) getString(read Reader, pa, limit uint64, dst []byte) (n int, cut bool) {
	for n < len(dst) && uint64(n) < limit {
		// Small steps that never cross a 64-byte line, so that a string at the
		// end of memory can still be read.
		step := min(64-int((pa+uint64(n))%64), len(dst)-n)
		if left := limit - uint64(n); left < uint64(step) {
			step = int(left)
		}
		b, ok := f.get(read, pa+uint64(n), step)
		if !ok {
			return n, false
		}
		for _, c := range b {
			if c == 0 {
				return n, false
			}
			dst[n] = c
			n++
		}
	}
	if uint64(n) >= limit {
		return n, false
	}
	b, ok := f.get(read, pa+uint64(n), 1)
	return n, ok && b[0] != 0
}

// setCmdLine copies the command line.
func (f *Facts) setCmdLine(read Reader, pa, limit uint64) {
	var cut bool
	f.CmdLineLen, cut = f.getString(read, pa, limit, f.CmdLine[:])
	if cut {
		f.Flags |= TruncatedCmdLine
	}
}

// addModule enters a module; name 0 means that it has none.
func (f *Facts) addModule(read Reader, start, size, name, nameLimit uint64) {
	if start >= maxPhysical || size > maxPhysical-start {
		f.Flags |= BadRegion
		return
	}
	if f.NumModules == MaxModules {
		f.Flags |= TruncatedModules
		return
	}
	m := &f.Modules[f.NumModules]
	f.NumModules++
	m.Start, m.End, m.NameLen = start, start+size, 0
	if name != 0 {
		m.NameLen, _ = f.getString(read, name, nameLimit, m.Name[:])
	}
}
