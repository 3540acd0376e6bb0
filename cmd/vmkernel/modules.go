package main

import (
	"bytes"
	"fmt"
	"log/slog"

	"basalt/boot/cpio"
	"basalt/boot/info"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
)

// moduleView is the memory of a boot module, nil when its place makes no sense.
func moduleView(m *info.Module) []byte {
	n := m.End - m.Start
	if m.End <= m.Start || n > 1<<40 || !linux.DirectPhysical(m.Start, n) {
		return nil
	}
	return pmem.Bytes(m.Start, int(n))
}

// isArchive says whether a module brings files for the file store: a cpio archive,
// by its first bytes.
func isArchive(b []byte) bool { return bytes.HasPrefix(b, []byte(cpio.Magic)) }

// bringFiles puts the files of every boot module that is a cpio archive into the
// file store, under their names there, and gives the modules' memory to the budget. What
// is wrong is logged: the host starts without those files.
func bringFiles(memory *gmem.Budget, log *slog.Logger) func(put func(path string, content []byte) error) {
	return func(put func(path string, content []byte) error) {
		f := linux.Facts()
		for i := range f.NumModules {
			m := &f.Modules[i]
			b := moduleView(m)
			if !isArchive(b) {
				if i > 0 { // the first one may be the settings
					log.Warn("a boot module is not a cpio archive and is left alone", "module", i+1, "at", fmt.Sprintf("%#x-%#x", m.Start, m.End))
				}
				continue
			}
			files, total := 0, int64(0)
			err := cpio.Read(b, func(e cpio.Entry) error {
				if e.Mode&cpio.KindMask != cpio.KindFile {
					return nil
				}
				if err := put(e.Name, e.Body); err != nil {
					log.Warn("a file of a boot module is left out", "module", i+1, "err", err)
					return nil
				}
				files++
				total += int64(len(e.Body))
				return nil
			})
			log.Info("files of a boot module", "module", i+1, "files", files, "MiB", total>>20)
			if err != nil {
				log.Warn("a boot module was not read to its end", "module", i+1, "err", err)
			}
			memory.Grow(giveBack(f, m))
		}
	}
}

// giveBack frees the whole pages of a module that lies in usable memory, which the
// frame allocator kept as taken: its ends may share a page with something else. It returns how many bytes
// of them may be whole frames.
func giveBack(f *info.Facts, m *info.Module) uint64 {
	first, end := (m.Start+pmem.Frame-1)&^(pmem.Frame-1), m.End&^(pmem.Frame-1)
	for _, r := range f.Regions[:f.NumRegions] {
		if r.Kind == info.Usable && r.Start <= first && end <= r.End && first < end {
			pmem.Free(first, int((end-first)/pmem.Frame))
			return (end - first) &^ (pmem.Large - 1)
		}
	}
	return 0
}
