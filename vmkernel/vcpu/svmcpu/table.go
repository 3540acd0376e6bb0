package svmcpu

import (
	"runtime"
	"sync"
	"sync/atomic"

	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

// table is a virtual machine's nested page table and the engines that use it.
type table struct {
	*svm.NPT
	gen     atomic.Uint64 // grows when translations have to be dropped
	mu      sync.Mutex
	engines []*Engine
}

// AllocTable implements svm.Frames.
func (f *Factory) AllocTable() (uint64, bool) { return f.host.Alloc(1, 1) }

// FreeTable implements svm.Frames.
func (f *Factory) FreeTable(pa uint64) { f.host.Free(pa, 1) }

// NewTable implements vcpu.Factory.
func (f *Factory) NewTable() (vcpu.NestedTable, error) {
	t := &table{}
	n, err := svm.NewNPT(f, f.cfg.Caps.Page1G, t.shoot)
	if err != nil {
		return nil, err
	}
	t.NPT = n
	return t, nil
}

// Map implements vcpu.NestedTable.
func (t *table) Map(gpa, hpa, size uint64, p vcpu.Prot) error {
	return t.NPT.Map(gpa, hpa, size, rights(p))
}

// Protect implements vcpu.NestedTable.
func (t *table) Protect(gpa, size uint64, p vcpu.Prot) error {
	return t.NPT.Protect(gpa, size, rights(p))
}

// NotesWrites implements vcpu.DirtyTable, and NPT does the rest: nested paging always sets
// Dirty bits (15.25.6).
func (t *table) NotesWrites() bool { return true }

// Close implements vcpu.NestedTable.
func (t *table) Close() error {
	t.NPT.Close()
	return nil
}

func rights(p vcpu.Prot) svm.Rights {
	var r svm.Rights
	if p&vcpu.ProtRead != 0 {
		r |= svm.Read
	}
	if p&vcpu.ProtWrite != 0 {
		r |= svm.Read | svm.Write
	}
	if p&vcpu.ProtExec != 0 {
		r |= svm.Read | svm.Exec
	}
	return r
}

// shoot returns when no engine can use a translation from before the call.
func (t *table) shoot() {
	gen := t.gen.Add(1)
	t.mu.Lock()
	engines := t.engines
	t.mu.Unlock()
	for _, e := range engines {
		for kicked := false; ; runtime.Gosched() {
			w := e.where.Load()
			if w == 0 || e.seen.Load() >= gen {
				break
			}
			if !kicked {
				kicked = true
				e.host.Kick(int(w) - 1)
			}
		}
	}
}

func (t *table) add(e *Engine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.engines = append(t.engines[:len(t.engines):len(t.engines)], e)
	if len(t.engines) > 1 {
		for _, e := range t.engines {
			e.meetOthers()
		}
	}
}

func (t *table) remove(e *Engine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rest []*Engine
	for _, o := range t.engines {
		if o != e {
			rest = append(rest, o)
		}
	}
	t.engines = rest
}
