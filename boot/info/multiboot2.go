package info

// Tags of the multiboot2 information.
const (
	mb2End         = 0
	mb2CmdLine     = 1
	mb2Module      = 3
	mb2MemoryMap   = 6
	mb2Framebuffer = 8
	mb2OldRSDP     = 14
	mb2NewRSDP     = 15

	mb2MaxSize = 1 << 20 // of the whole information
)

// ParseMultiboot2 fills f from the multiboot2 information at pa.
func (f *Facts) ParseMultiboot2(read Reader, pa uint64) Problem {
	*f = Facts{Protocol: Multiboot2}
	b, ok := f.get(read, pa, 8)
	if !ok {
		return ErrUnreadable
	}
	size := uint64(u32(b, 0))
	if size < 16 || size > mb2MaxSize {
		return ErrSize
	}
	haveMap := false
	for off := uint64(8); off+8 <= size; {
		if b, ok = f.get(read, pa+off, 8); !ok {
			break
		}
		kind, length := u32(b, 0), uint64(u32(b, 4))
		if kind == mb2End {
			break
		}
		if length < 8 || length > size-off {
			f.Flags |= BadTag
			break
		}
		if kind == mb2MemoryMap {
			haveMap = true
		}
		f.multibootTag(read, kind, pa+off, length)
		off += (length + 7) &^ 7
	}
	return f.finish(haveMap)
}

// multibootTag takes one tag of length bytes at pa.
func (f *Facts) multibootTag(read Reader, kind uint32, pa, length uint64) {
	switch kind {
	case mb2CmdLine:
		f.setCmdLine(read, pa+8, length-8)
	case mb2Module:
		b, ok := f.get(read, pa, 16)
		if length < 16 || !ok {
			f.Flags |= BadTag
			return
		}
		start, end := uint64(u32(b, 8)), uint64(u32(b, 12))
		if end < start {
			f.Flags |= BadTag
			return
		}
		f.addModule(read, start, end-start, pa+16, length-16)
	case mb2MemoryMap:
		f.multibootMap(read, pa, length)
	case mb2Framebuffer:
		f.multibootFramebuffer(read, pa, length)
	case mb2OldRSDP, mb2NewRSDP:
		if kind == mb2OldRSDP && f.RSDPLen != 0 {
			return // the new one is better
		}
		if length < 8+rsdpSize1 {
			f.Flags |= BadTag
			return
		}
		f.setRSDP(read, pa+8)
	}
}

func (f *Facts) multibootMap(read Reader, pa, length uint64) {
	b, ok := f.get(read, pa, 16)
	if length < 16 || !ok {
		f.Flags |= BadTag
		return
	}
	entry := uint64(u32(b, 8))
	if entry < 24 || entry%8 != 0 {
		f.Flags |= BadTag
		return
	}
	for off := uint64(16); off+entry <= length; off += entry {
		if b, ok = f.get(read, pa+off, 24); !ok {
			return
		}
		f.addRegion(u64(b, 0), u64(b, 8), e820Kind(u32(b, 16)))
	}
}

func (f *Facts) multibootFramebuffer(read Reader, pa, length uint64) {
	const plain, colours = 32, 38
	b, ok := f.get(read, pa, min(int(length), colours))
	if !ok || length < plain {
		f.Flags |= BadTag
		return
	}
	fb := Framebuffer{Addr: u64(b, 8), Pitch: u32(b, 16), Width: u32(b, 20), Height: u32(b, 24), BPP: b[28]}
	switch b[29] {
	case 1:
		if length < colours {
			f.Flags |= BadTag
			return
		}
		fb.Kind = RGB
		fb.RedPos, fb.RedSize, fb.GreenPos, fb.GreenSize, fb.BluePos, fb.BlueSize = b[32], b[33], b[34], b[35], b[36], b[37]
	case 2:
		fb.Kind = Text
	}
	f.setFramebuffer(fb)
}

// setFramebuffer keeps fb if drawing in it stays inside what it describes.
func (f *Facts) setFramebuffer(fb Framebuffer) {
	const most = 1 << 16 // pixels either way, and bytes of a line / 16
	ok := fb.Addr != 0 && fb.Width > 0 && fb.Height > 0 && fb.Width <= most && fb.Height <= most && fb.Pitch <= most*16
	switch fb.Kind {
	case RGB:
		bytes := (uint32(fb.BPP) + 7) / 8
		ok = ok && bytes >= 2 && bytes <= 4 && fb.Pitch >= fb.Width*bytes &&
			fits(fb.RedPos, fb.RedSize, fb.BPP) && fits(fb.GreenPos, fb.GreenSize, fb.BPP) && fits(fb.BluePos, fb.BlueSize, fb.BPP)
	case Text:
		ok = ok && fb.Pitch >= fb.Width*2
	default:
		return
	}
	if !ok || fb.Addr >= maxPhysical-uint64(fb.Pitch)*uint64(fb.Height) {
		f.Flags |= BadTag
		return
	}
	f.Framebuffer = fb
}

func fits(pos, size, bpp uint8) bool {
	return size > 0 && size <= 16 && int(pos)+int(size) <= int(bpp)
}
