package vmxcpu

import (
	"runtime"
	"sync"
	"sync/atomic"

	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// table is a virtual machine's EPT and the engines that use it.
type table struct {
	f   *Factory
	gen atomic.Uint64 // grows when translations have to be dropped

	mu      sync.Mutex
	ept     *vmx.EPT
	engines []*Engine
}

// AllocFrame implements vmx.Frames.
func (f *Factory) AllocFrame() (uint64, bool) { return f.host.Alloc(1, 1) }

// FreeFrame implements vmx.Frames.
func (f *Factory) FreeFrame(pa uint64) { f.host.Free(pa, 1) }

// NewTable implements vcpu.Factory.
func (f *Factory) NewTable() (vcpu.NestedTable, error) {
	e, err := vmx.NewEPT(f.caps, f)
	if err != nil {
		return nil, err
	}
	return &table{f: f, ept: e}, nil
}

// attr is the EPT rights and memory type for a neutral protection.
func attr(p vcpu.Prot) vmx.Entry {
	e := vmx.EPTWriteBack
	if p&vcpu.ProtRead != 0 {
		e |= vmx.EPTRead
	}
	if p&vcpu.ProtWrite != 0 {
		e |= vmx.EPTRead | vmx.EPTWrite
	}
	if p&vcpu.ProtExec != 0 {
		e |= vmx.EPTRead | vmx.EPTExecute
	}
	return e
}

// Map implements vcpu.NestedTable.
func (t *table) Map(gpa, hpa, size uint64, p vcpu.Prot) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	flush, err := t.ept.Map(gpa, hpa, size, attr(p))
	t.settle(flush)
	return err
}

// Unmap implements vcpu.NestedTable.
func (t *table) Unmap(gpa, size uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	flush, err := t.ept.Unmap(gpa, size)
	t.settle(flush)
	return err
}

// Protect implements vcpu.NestedTable.
func (t *table) Protect(gpa, size uint64, p vcpu.Prot) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	flush, err := t.ept.Protect(gpa, size, attr(p))
	t.settle(flush)
	return err
}

// NotesWrites implements vcpu.DirtyTable: the EPT pointer turns the flags on where the
// processor has them.
func (t *table) NotesWrites() bool { return t.f.caps.EPTAccessedDirty }

// StartDirty implements vcpu.DirtyTable.
func (t *table) StartDirty(gpa, size uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	flush, err := t.ept.StartDirty(gpa, size)
	t.settle(flush)
	return err
}

// CollectDirty implements vcpu.DirtyTable.
func (t *table) CollectDirty(gpa, size uint64, found func(gpa, size uint64)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	flush, err := t.ept.CollectDirty(gpa, size, found)
	t.settle(flush)
	return err
}

// Root implements vcpu.NestedTable: the EPT pointer.
func (t *table) Root() uint64 { return t.f.caps.EPTP(t.ept.Root()) }

// word reads the 8 aligned bytes at gpa, for the load of page-directory pointers only:
// guest memory is gmem's. It holds the lock while it reads, so the frame does not go
// away meanwhile: Unmap comes before that.
func (t *table) word(gpa uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	hpa, _, _, ok := t.ept.Lookup(gpa)
	if !ok {
		return 0
	}
	return t.f.Table(hpa &^ 0xfff)[hpa>>3&511]
}

// Close implements vcpu.NestedTable. All engines are closed.
func (t *table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ept.Root() != 0 {
		t.ept.Free()
	}
	return nil
}

// settle waits until no processor can use an old translation, then frees the
// tables that went out of use. An engine in the guest is kicked out; before it
// enters again it sees the new generation and does INVEPT. One that does not run
// will do the same. The caller holds t.mu.
func (t *table) settle(flush bool) {
	if flush {
		gen := t.gen.Add(1)
		for _, e := range t.engines {
			e.shoot(gen)
		}
	}
	t.ept.Reclaim()
}

// shoot returns when e can use no translation from before generation gen.
func (e *Engine) shoot(gen uint64) {
	for kicked := false; ; runtime.Gosched() {
		w := e.where.Load()
		if w == 0 || e.seen.Load() >= gen {
			return
		}
		if !kicked {
			kicked = true
			e.host.Kick(int(w) - 1)
		}
	}
}

func (t *table) add(e *Engine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.engines = append(t.engines, e)
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
