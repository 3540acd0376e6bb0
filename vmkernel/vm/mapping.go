package vm

import (
	"fmt"
	"sync"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vcpu"
)

const (
	allRights = vcpu.ProtRead | vcpu.ProtWrite | vcpu.ProtExec
	noWrite   = vcpu.ProtRead | vcpu.ProtExec
)

// mapping is who may change the nested table beside the engines' own locking: the
// rights in it and gmem's record of what is dirty, or of what is there, change
// together under mu. Lock order: mapping.mu, then gmem's, then the table's.
type mapping struct {
	mu       sync.Mutex
	tracking bool // nothing is writable that is not marked dirty
	// noting is the table while its processor notes what is written; else nil.
	noting vcpu.DirtyTable
}

// Backed maps the frame of a first touch. While writes are tracked, a frame is mapped
// without the right to write, and a write gets its page: it is marked first, so that
// no collection can miss it. A processor that notes writes itself needs none of that.
func (c *cpuIO) Backed(gpa uint64, write bool) (bool, error) {
	b := c.b
	if gpa >= b.space.low && gpa < fourGiB || !b.mem.Contains(gpa, 1) {
		return false, nil
	}
	b.maps.mu.Lock()
	defer b.maps.mu.Unlock()
	var err error
	if c.maps, err = b.mem.Touch(gpa, c.maps[:0]); err != nil {
		return false, fmt.Errorf("vm: guest memory at %#x: %w", gpa, err)
	}
	rights := allRights
	if b.maps.tracking {
		rights = noWrite
		if write {
			return true, b.mapDirty(gpa&^(gmem.PageSize-1), c.maps)
		}
	}
	for _, m := range c.maps {
		if err := b.table.Map(m.GPA, m.HPA, m.Size, rights); err != nil {
			return false, fmt.Errorf("vm: map %#x: %w", m.GPA, err)
		}
	}
	if !b.maps.tracking && b.maps.noting == nil {
		return true, b.mapRun(gpa)
	}
	return true, nil
}

// mapRun maps the run around gpa with one entry, if the last of its frames came; a
// processor without such entries has smaller ones, as before. maps.mu is held.
func (b *board) mapRun(gpa uint64) error {
	m, ok := b.mem.Run(gpa)
	if !ok {
		return nil
	}
	if err := b.table.Map(m.GPA, m.HPA, m.Size, allRights); err != nil {
		return fmt.Errorf("vm: map %#x: %w", m.GPA, err)
	}
	return nil
}

// mapRuns is mapRun for all memory.
func (b *board) mapRuns() error {
	for _, r := range b.mem.Regions() {
		for at := r.Start &^ (gmem.RunSize - 1); at < r.End(); at += gmem.RunSize {
			if err := b.mapRun(max(at, r.Start)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mapDirty lets the guest write one page, which is in one of the pieces of its frame.
func (b *board) mapDirty(page uint64, pieces []gmem.Mapping) error {
	b.mem.MarkDirty(page, gmem.PageSize)
	for _, m := range pieces {
		if off := page - m.GPA; page >= m.GPA && off < m.Size {
			if err := b.table.Map(page, m.HPA+off, gmem.PageSize, allRights); err != nil {
				return fmt.Errorf("vm: map %#x: %w", page, err)
			}
		}
	}
	return nil
}
