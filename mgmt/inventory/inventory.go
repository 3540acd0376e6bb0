package inventory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"basalt/mgmt/files"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
)

// MaxVMs bounds the table.
const MaxVMs = 1024

// Spec is what a person says about a virtual machine.
type Spec struct {
	Name      string
	CPUs      int
	MemoryMiB int
	Boot      Boot
	// Disks and NICs are those of now: what was attached since the creation is
	// there, what was detached is not. Names and MACs that a person leaves out
	// are chosen.
	Disks        []host.DiskConfig
	NICs         []host.NICConfig
	CPULevel     string
	Hardware     int // version of the board; 0: the newest
	TestDevice   bool
	XAPICOnly    bool
	APICIDStep   int    // 0 is 1
	VsockCID     uint32 // 0: none
	CPU          host.CPUSpec
	MaxCPUs      int    // what CPUs can become while it runs; 0: none can come
	MaxMemoryMiB int    // what MemoryMiB can become while it runs; 0: none can come
	NUMANodes    int    // 0 is one
	UUID         string // "": the host makes one
	Consoles     []host.ConsoleConfig
}

// Boot names files of the store.
type Boot struct {
	Kernel  string
	Initrd  string
	Cmdline string
	Modules []string // "path" or "path string"
}

// VM is a machine as people see it.
type VM struct {
	ID      string
	Spec    Spec
	Format  host.KernelFormat
	Created time.Time
	Status  host.Status
	// StateFile has the state of a suspended machine.
	StateFile string
	// Addresses are the guest's addresses on the NAT network, by MAC.
	Addresses map[string]string
}

// Inventory is the host's table of objects.
type Inventory struct {
	host  host.Host
	files *files.Store
	tasks *task.Manager
	now   func() time.Time

	mu    sync.Mutex
	vms   []*entry          // in order of creation
	macs  map[string]string // who has an address, such as "nic0 of web"
	ports map[string]string // who has a port of the host
	// places are how many machines are in a resource pool, or about to be.
	places map[string]int
}

type entry struct {
	id      string
	spec    Spec
	format  host.KernelFormat
	created time.Time
	vm      host.VM // nil while it is being created
	// asleep is where its state is while it is suspended. Under Inventory.mu.
	asleep *suspension
}

// New makes an empty inventory.
func New(h host.Host, f *files.Store, t *task.Manager, now func() time.Time) *Inventory {
	if now == nil {
		now = time.Now
	}
	return &Inventory{host: h, files: f, tasks: t, now: now, macs: map[string]string{}, places: map[string]int{}}
}

// Create checks spec against the host and the files and adds a machine that is
// off. Errors: host.ConfigError, host.ErrExists, host.ErrTooMany.
func (v *Inventory) Create(spec Spec, user string) (VM, error) {
	spec.Boot.Modules, spec.Disks, spec.NICs = slices.Clone(spec.Boot.Modules), slices.Clone(spec.Disks), slices.Clone(spec.NICs)
	spec.Consoles = slices.Clone(spec.Consoles)
	if err := checkName(spec.Name); err != nil {
		return VM{}, &host.ConfigError{Field: "name", Err: err}
	}
	id := newID()
	nameDevices(&spec)
	e := &entry{id: id, spec: spec, created: v.now()}
	if err := v.reserve(e); err != nil {
		return VM{}, err
	}
	v.takePool(spec.CPU.Pool)
	err := v.takeMACs(e.spec.Name, e.spec.NICs)
	if err == nil {
		if err = v.build(e); err != nil {
			v.giveMACs(e.spec.NICs)
		}
	}
	if err != nil {
		v.givePool(spec.CPU.Pool)
		v.drop(id)
		return VM{}, err
	}
	v.host.Events().Append(host.Event{Kind: "vm.created", Object: id, User: user,
		Message: fmt.Sprintf("machine %s: %d CPU, %d MiB, kernel %s", spec.Name, spec.CPUs, spec.MemoryMiB, spec.Boot.Kernel)})
	return v.Get(id)
}

// reserve takes the name. It must not be another machine's id either: both name a
// machine in a request.
func (v *Inventory) reserve(e *entry) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.vms) >= MaxVMs {
		return fmt.Errorf("%w virtual machines: the host holds %d", host.ErrTooMany, MaxVMs)
	}
	for _, o := range v.vms {
		if o.spec.Name == e.spec.Name || o.id == e.spec.Name || o.spec.Name == e.id || o.id == e.id {
			return fmt.Errorf("a virtual machine with the name %q %w", e.spec.Name, host.ErrExists)
		}
	}
	v.vms = append(v.vms, e)
	return nil
}

func (v *Inventory) build(e *entry) error {
	cfg := e.config()
	boot, err := v.openBoot(e.spec.Boot)
	if err != nil {
		return err
	}
	defer boot.Close()
	format, err := v.host.VMs().Check(cfg, boot)
	if err != nil {
		return err
	}
	disks, err := v.openDisks(cfg) // to see that they can be
	closeDisks(disks)
	if err != nil {
		return err
	}
	vm, err := v.host.VMs().Create(cfg)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	e.format, e.vm = format, vm
	return nil
}

func (e *entry) config() host.Config {
	return host.Config{ID: e.id, Name: e.spec.Name, CPUs: e.spec.CPUs, MemoryMiB: e.spec.MemoryMiB,
		Disks: e.spec.Disks, NICs: e.spec.NICs, CPULevel: e.spec.CPULevel, Hardware: e.spec.Hardware, VsockCID: e.spec.VsockCID,
		TestDevice: e.spec.TestDevice, XAPICOnly: e.spec.XAPICOnly, CPU: e.spec.CPU, MaxCPUs: e.spec.MaxCPUs, UUID: e.spec.UUID,
		MaxMemoryMiB: e.spec.MaxMemoryMiB, NUMANodes: e.spec.NUMANodes, APICIDStep: e.spec.APICIDStep, Consoles: e.spec.Consoles}
}

func (v *Inventory) drop(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.vms = slices.DeleteFunc(v.vms, func(e *entry) bool { return e.id == id })
}

func checkName(n string) error {
	if n == "" || len(n) > 63 {
		return errors.New("1 to 63 characters are needed")
	}
	for i, c := range []byte(n) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || i > 0 && strings.IndexByte("._-", c) >= 0
		if !ok {
			return fmt.Errorf("the character %q is not allowed at position %d", c, i+1)
		}
	}
	return nil
}

func newID() string {
	return "vm-" + strings.ToLower(rand.Text()[:10])
}

// List gives the machines in order of creation.
func (v *Inventory) List() []VM {
	v.mu.Lock()
	es := slices.Clone(v.vms)
	v.mu.Unlock()
	out := make([]VM, 0, len(es))
	for _, e := range es {
		if vm, ok := v.view(e); ok {
			out = append(out, vm)
		}
	}
	return out
}

func (v *Inventory) view(e *entry) (VM, bool) {
	v.mu.Lock()
	vm, format, asleep := e.vm, e.format, e.asleep
	v.mu.Unlock()
	if vm == nil {
		return VM{}, false
	}
	spec, cfg := e.spec, vm.Config()
	spec.Disks, spec.NICs, spec.Hardware, spec.TestDevice, spec.CPU = cfg.Disks, cfg.NICs, cfg.Hardware, cfg.TestDevice, cfg.CPU
	spec.XAPICOnly, spec.APICIDStep = cfg.XAPICOnly, cfg.APICIDStep
	spec.CPUs, spec.MaxCPUs, spec.VsockCID, spec.UUID = cfg.CPUs, cfg.MaxCPUs, cfg.VsockCID, host.FormatUUID(cfg.SystemUUID())
	spec.MemoryMiB, spec.MaxMemoryMiB, spec.NUMANodes = cfg.MemoryMiB, cfg.MaxMemoryMiB, cfg.NUMANodes
	spec.Consoles = cfg.Consoles
	out := VM{ID: e.id, Spec: spec, Format: format, Created: e.created, Status: vm.Status()}
	if asleep != nil && out.Status.State == host.StateOff {
		out.StateFile = asleep.file
		out.Status.State, out.Status.Reason, out.Status.Since = host.StateSuspended, "", asleep.since
	}
	for _, n := range cfg.NICs {
		if n.Network != host.NetworkNAT {
			continue
		}
		if a, ok := v.host.Networks().Address(n.MAC); ok {
			if out.Addresses == nil {
				out.Addresses = map[string]string{}
			}
			out.Addresses[n.MAC] = a.String()
		}
	}
	return out, true
}

func (v *Inventory) find(id string) (*entry, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.vms {
		if (e.id == id || e.spec.Name == id) && e.vm != nil {
			return e, nil
		}
	}
	return nil, fmt.Errorf("virtual machine %q: %w", id, host.ErrNotFound)
}

// Get finds a machine by id or name. Errors: host.ErrNotFound.
func (v *Inventory) Get(id string) (VM, error) {
	e, err := v.find(id)
	if err != nil {
		return VM{}, err
	}
	vm, _ := v.view(e)
	return vm, nil
}

// Delete removes a machine that does not run. Errors: host.ErrNotFound,
// host.ErrState, host.ErrBusy.
func (v *Inventory) Delete(ctx context.Context, id, user string) error {
	e, err := v.find(id)
	if err != nil {
		return err
	}
	t, err := v.tasks.Run(task.Request{Kind: "vm.delete", Object: e.id, User: user}, func(context.Context) error {
		if v.suspended(e) != nil {
			return &host.StateError{Action: "delete", State: host.StateSuspended}
		}
		c := e.vm.Config()
		if err := v.host.VMs().Delete(e.id); err != nil {
			return err
		}
		v.tidy(e)
		v.giveMACs(c.NICs)
		v.givePool(c.CPU.Pool)
		v.drop(e.id)
		v.host.Events().Append(host.Event{Kind: "vm.deleted", Object: e.id, User: user, Message: "machine " + e.spec.Name + " was deleted"})
		return nil
	})
	if err != nil {
		return err
	}
	return t.Wait(ctx)
}
