package task

import (
	"context"
	"fmt"
	"sync"
	"time"

	"basalt/vmkernel/host"
)

// Bounds.
const (
	history = 256             // finished tasks kept
	limit   = 2 * time.Minute // what one job may take
)

// State is how far a task is.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Info is a snapshot of a task.
type Info struct {
	ID       string
	Kind     string // such as "vm.start"
	Object   string
	User     string
	State    State
	Err      error
	Started  time.Time
	Finished time.Time // zero while it runs
	// DoneBytes of TotalBytes is how far a job is that says so; 0 of 0 otherwise.
	DoneBytes, TotalBytes uint64
}

// Request says what to run.
type Request struct {
	Kind, Object, User string
	// Cancel: a job that runs on the object is cancelled and waited for instead
	// of refusing this one.
	Cancel bool
	// Limit is what the job may take; 0: limit.
	Limit time.Duration
}

// Manager runs tasks.
type Manager struct {
	now  func() time.Time
	base context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	seq    int
	all    []*Task          // oldest first
	active map[string]*Task // by object
}

// Task is one job.
type Task struct {
	m      *Manager
	info   Info
	prev   *Task // what it waits for, until it has finished; under Manager.mu
	cancel context.CancelFunc
	done   chan struct{}
}

// New makes a manager. now is the clock; nil means time.Now.
func New(now func() time.Time) *Manager {
	if now == nil {
		now = time.Now
	}
	base, stop := context.WithCancel(context.Background())
	return &Manager{now: now, base: base, stop: stop, active: map[string]*Task{}}
}

// Run starts fn as a task. Errors: host.ErrBusy while another task runs on the
// object, host.ErrClosed after Close.
func (m *Manager) Run(r Request, fn func(context.Context) error) (*Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("task: %w", host.ErrClosed)
	}
	prev := m.active[r.Object]
	if prev != nil {
		if !r.Cancel || prev.info.Kind == r.Kind {
			return nil, fmt.Errorf("%w: %s (task %s)", host.ErrBusy, prev.info.Kind, prev.info.ID)
		}
		prev.cancel()
	}
	m.seq++
	if r.Limit == 0 {
		r.Limit = limit
	}
	ctx, cancel := context.WithTimeout(m.base, r.Limit)
	t := &Task{m: m, prev: prev, cancel: cancel, done: make(chan struct{}), info: Info{
		ID: fmt.Sprintf("task-%d", m.seq), Kind: r.Kind, Object: r.Object, User: r.User, State: Running, Started: m.now(),
	}}
	m.all = append(m.all, t)
	m.trim()
	m.active[r.Object] = t
	m.wg.Go(func() {
		defer cancel()
		err := waitFor(ctx, prev)
		if err == nil {
			err = fn(context.WithValue(ctx, key{}, t))
		}
		m.finish(t, err)
	})
	return t, nil
}

// key is where a job's context has its task.
type key struct{}

// Progress says how far the job is whose context this is: done of total bytes.
func Progress(ctx context.Context, done, total uint64) {
	if t, ok := ctx.Value(key{}).(*Task); ok {
		t.m.mu.Lock()
		defer t.m.mu.Unlock()
		t.info.DoneBytes, t.info.TotalBytes = done, total
	}
}

// Cancel asks a running job to end; one that is past the point of no return does not.
// It does not wait. Errors: host.ErrNotFound, host.ErrState for a finished one.
func (m *Manager) Cancel(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.all {
		if t.info.ID != id {
			continue
		}
		if t.info.State != Running {
			return fmt.Errorf("task %s: it is %s already: %w", id, t.info.State, host.ErrState)
		}
		t.cancel()
		return nil
	}
	return fmt.Errorf("task %q: %w", id, host.ErrNotFound)
}

func waitFor(ctx context.Context, t *Task) error {
	if t == nil {
		return nil
	}
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Manager) finish(t *Task, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t.info.Err, t.info.State, t.info.Finished = err, Done, m.now()
	if err != nil {
		t.info.State = Failed
	}
	if m.active[t.info.Object] == t {
		delete(m.active, t.info.Object)
		if t.prev != nil && t.prev.info.State == Running {
			m.active[t.info.Object] = t.prev // this one gave up waiting for it
		}
	}
	t.prev = nil
	close(t.done)
}

// trim drops the oldest finished tasks beyond the bound.
func (m *Manager) trim() {
	over := len(m.all) - history
	kept := m.all[:0]
	for _, t := range m.all {
		if over > 0 && t.info.State != Running {
			over--
			continue
		}
		kept = append(kept, t)
	}
	clear(m.all[len(kept):])
	m.all = kept
}

// Wait waits until the task is finished and returns its error, or ctx's.
func (t *Task) Wait(ctx context.Context) error {
	select {
	case <-t.done:
		return t.Info().Err
	default:
	}
	select {
	case <-t.done:
		return t.Info().Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Info is a snapshot.
func (t *Task) Info() Info {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	return t.info
}

// Finished says whether Wait would return at once.
func (t *Task) Finished() bool { return t.Info().State != Running }

// List gives the tasks, oldest first.
func (m *Manager) List() []Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Info, len(m.all))
	for i, t := range m.all {
		out[i] = t.info
	}
	return out
}

// Get gives one task. Errors: host.ErrNotFound.
func (m *Manager) Get(id string) (Info, error) {
	for _, t := range m.List() {
		if t.ID == id {
			return t, nil
		}
	}
	return Info{}, fmt.Errorf("task %q: %w", id, host.ErrNotFound)
}

// Close refuses new tasks, cancels the running ones and waits for them as long
// as ctx allows.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop()
	done := make(chan struct{})
	go func() { m.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
