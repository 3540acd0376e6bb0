package info

import "testing"

func fuzz(f *testing.F, seed *memory, parse func(*Facts, Reader, uint64) Problem) {
	f.Add(seed.bytes)
	f.Add(seed.bytes[:64])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var facts Facts
		m := &memory{base: testBase, bytes: b}
		p := parse(&facts, m.read, testBase)
		checkMap(t, &facts)
		if p == None && facts.UsableBytes() == 0 {
			t.Error("accepted without memory")
		}
		if facts.CmdLineLen > MaxCmdLine || facts.NumModules > MaxModules {
			t.Error("counts out of bounds")
		}
		for _, m := range facts.Modules[:facts.NumModules] {
			if m.End < m.Start || m.NameLen > MaxName {
				t.Errorf("module %+v", m)
			}
		}
		if fb := facts.Framebuffer; fb.Kind == RGB && uint64(fb.Pitch) < uint64(fb.Width)*uint64((fb.BPP+7)/8) {
			t.Errorf("framebuffer %+v", fb)
		}
		facts.FindRSDP(m.read)
	})
}

func FuzzParsePVH(f *testing.F)        { fuzz(f, pvhMemory(), (*Facts).ParsePVH) }
func FuzzParseMultiboot2(f *testing.F) { fuzz(f, mb2Memory(), (*Facts).ParseMultiboot2) }
func FuzzParseUEFI(f *testing.F)       { fuzz(f, uefiMemory(), (*Facts).ParseUEFI) }
