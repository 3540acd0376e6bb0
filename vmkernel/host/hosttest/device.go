package hosttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"basalt/drivers/blockio/imagedisk"
	"basalt/vmkernel/host"
)

// disk counts how often it is open.
type disk struct {
	*imagedisk.Disk
	b    *bench
	done bool
}

func (d *disk) Close() error {
	if !d.done {
		d.done = true
		d.b.open.Add(-1)
	}
	return d.Disk.Close()
}

func (b *bench) disk(t *testing.T) host.Disk {
	t.Helper()
	img, err := imagedisk.New(1<<20, func() (imagedisk.Chunk, error) { return nil, host.ErrNoMemory })
	if err != nil {
		t.Fatal(err)
	}
	d, err := imagedisk.Open("test", img, false)
	if err != nil {
		t.Fatal(err)
	}
	b.open.Add(1)
	return &disk{Disk: d, b: b}
}

func buttons(t *testing.T, b *bench) {
	vm := b.create(t, "a")
	ctx := t.Context()
	for name, f := range map[string]func(context.Context) error{"power button": vm.PowerButton, "NMI": vm.NMI} {
		if err := f(ctx); !errors.Is(err, host.ErrState) {
			t.Errorf("%s while off: %v", name, err)
		}
	}
	if err := vm.Start(ctx, b.boot()); err != nil {
		t.Fatal(err)
	}
	if err := vm.NMI(ctx); err != nil || vm.Status().State != host.StateRunning {
		t.Errorf("NMI: %v, then %s", err, vm.Status().State)
	}
	if err := vm.PowerButton(ctx); err != nil {
		t.Errorf("power button: %v", err)
	}
	vm.Stop(ctx)
	if n := b.open.Load(); n != 0 {
		t.Errorf("%d images are open", n)
	}
}

func addMemory(t *testing.T, b *bench) {
	c := b.config("a")
	c.MaxMemoryMiB = c.MemoryMiB + 3*host.MemoryStepMiB
	vm, err := b.VMs().Create(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, start := t.Context(), b.Info().MemoryFree
	add := func(mib, want int, is error) {
		t.Helper()
		free, was := b.Info().MemoryFree, vm.Config().MemoryMiB
		err := vm.AddMemory(ctx, mib)
		var bad *host.ConfigError
		if want == 0 {
			if !errors.As(err, &bad) || bad.Field != "memoryMiB" || is != nil && !errors.Is(err, is) {
				t.Errorf("%d MiB: %v", mib, err)
			}
			if vm.Config().MemoryMiB != was || b.Info().MemoryFree != free {
				t.Errorf("%d MiB: refused, and the machine has %d, was %d", mib, vm.Config().MemoryMiB, was)
			}
			return
		}
		if err != nil || vm.Config().MemoryMiB != c.MemoryMiB+want {
			t.Errorf("%d MiB: %v, the machine has %d", mib, err, vm.Config().MemoryMiB)
		}
		promised := free - b.Info().MemoryFree
		if on := vm.Status().State != host.StateOff; on != (promised == uint64(mib)<<20) {
			t.Errorf("%d MiB: %d were promised", mib, promised>>20)
		}
	}
	add(host.MemoryStepMiB, host.MemoryStepMiB, nil) // off
	if err := vm.Start(ctx, b.boot()); err != nil {
		t.Fatal(err)
	}
	for _, mib := range []int{0, -host.MemoryStepMiB, 1, 100, host.MemoryStepMiB + 4} {
		add(mib, 0, nil)
	}
	add(3*host.MemoryStepMiB, 0, host.ErrTooMany)
	add(host.MemoryStepMiB, 2*host.MemoryStepMiB, nil)
	if s := vm.Status(); s.MemoryTarget != uint64(vm.Config().MemoryMiB)<<20 {
		t.Errorf("the guest is to live with %d bytes", s.MemoryTarget)
	}
	if err := vm.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	add(host.MemoryStepMiB, 3*host.MemoryStepMiB, nil)
	add(host.MemoryStepMiB, 0, host.ErrTooMany)
	if err := vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if free := b.Info().MemoryFree; free < start {
		t.Errorf("%d bytes are free at the end, %d at the start", free, start)
	}
}

func memoryTarget(t *testing.T, b *bench) {
	vm := b.create(t, "a")
	ctx := t.Context()
	size := uint64(vm.Config().MemoryMiB) << 20
	if err := vm.SetMemoryTarget(ctx, size); !errors.Is(err, host.ErrState) {
		t.Errorf("while off: %v", err)
	}
	if err := vm.Start(ctx, b.boot()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint64{size, size - 4<<20, size - 8<<10} {
		if err := vm.SetMemoryTarget(ctx, want); err != nil || vm.Status().MemoryTarget != want {
			t.Errorf("%d: %v, status %d", want, err, vm.Status().MemoryTarget)
		}
	}
	var bad *host.ConfigError
	if err := vm.SetMemoryTarget(ctx, 4096); !errors.As(err, &bad) {
		t.Errorf("too little: %v", err)
	}
	if err := vm.AddCPUs(ctx, 1); !errors.Is(err, host.ErrTooMany) {
		t.Errorf("a CPU without MaxCPUs: %v", err)
	}
	for n := 1; n <= host.NumSerial; n++ {
		if vm.Serial(n) == nil {
			t.Errorf("no serial port %d", n)
		}
	}
	if vm.Serial(0) != nil || vm.Serial(host.NumSerial+1) != nil || vm.Serial(1) != vm.Console() {
		t.Error("numbers of serial ports")
	}
	if vm.Port("1") != nil || vm.Port("") != nil {
		t.Error("a machine without console ports has one")
	}
	vm.Stop(ctx)
	if s := vm.Status(); s.MemoryTarget != 0 {
		t.Errorf("off: target %d", s.MemoryTarget)
	}
}

// badDevices are configurations that every host refuses with the field's name.
func badDevices(t *testing.T, b *bench) {
	disk := func(edit func(*host.DiskConfig)) func(*host.Config) {
		return func(c *host.Config) {
			d := host.DiskConfig{Name: "disk0", Kind: host.DiskNull, SizeMiB: 1}
			edit(&d)
			c.Disks = []host.DiskConfig{d}
		}
	}
	nic := func(edit func(*host.NICConfig)) func(*host.Config) {
		return func(c *host.Config) {
			n := host.NICConfig{Name: "nic0", Network: host.NetworkNAT}
			edit(&n)
			c.NICs = []host.NICConfig{n}
		}
	}
	ports := func(names ...string) func(*host.Config) {
		return func(c *host.Config) {
			for _, n := range names {
				c.Consoles = append(c.Consoles, host.ConsoleConfig{Name: n})
			}
		}
	}
	for name, tc := range map[string]struct {
		edit  func(*host.Config)
		field string
		is    error
	}{
		"level":              {func(c *host.Config) { c.CPULevel = "x86-64-v9" }, "cpuLevel", nil},
		"vsock of the host":  {func(c *host.Config) { c.VsockCID = 2 }, "vsockCID", nil},
		"vsock of everybody": {func(c *host.Config) { c.VsockCID = 0xffffffff }, "vsockCID", nil},
		"300 consoles": {func(c *host.Config) {
			for i := range 300 {
				c.Consoles = append(c.Consoles, host.ConsoleConfig{Name: fmt.Sprint("c", i)})
			}
		}, "consoles", host.ErrTooMany},
		"console without a name": {ports(""), "consoles[0].name", nil},
		"console 2":              {ports("2"), "consoles[0].name", nil},
		"console with a path":    {ports("a", "a/../b"), "consoles[1].name", nil},
		"console with a control": {ports("a\x1b"), "consoles[0].name", nil},
		"console with an accent": {ports("\u00e9"), "consoles[0].name", nil},
		"long console":           {ports(strings.Repeat("a", host.MaxConsoleName+1)), "consoles[0].name", nil},
		"two consoles":           {ports("a", "b", "a"), "consoles[2].name", host.ErrExists},
		"300 disks": {func(c *host.Config) {
			for i := range 300 {
				c.Disks = append(c.Disks, host.DiskConfig{Name: fmt.Sprint("d", i), Kind: host.DiskNull, SizeMiB: 1})
			}
		}, "disks", host.ErrTooMany},
		"300 adapters": {func(c *host.Config) {
			for i := range 300 {
				c.NICs = append(c.NICs, host.NICConfig{Name: fmt.Sprint("n", i), Network: host.NetworkNAT})
			}
		}, "nics", host.ErrTooMany},
		"no name":         {disk(func(d *host.DiskConfig) { d.Name = "" }), "disks[0].name", nil},
		"bad name":        {disk(func(d *host.DiskConfig) { d.Name = "A b" }), "disks[0].name", nil},
		"long name":       {disk(func(d *host.DiskConfig) { d.Name = "123456789012345678901" }), "disks[0].name", nil},
		"kind":            {disk(func(d *host.DiskConfig) { d.Kind = "floppy" }), "disks[0].kind", nil},
		"size 0":          {disk(func(d *host.DiskConfig) { d.SizeMiB = 0 }), "disks[0].sizeMiB", nil},
		"negative":        {disk(func(d *host.DiskConfig) { d.SizeMiB = -1 }), "disks[0].sizeMiB", nil},
		"too large":       {disk(func(d *host.DiskConfig) { d.SizeMiB = host.MaxDiskMiB + 1 }), "disks[0].sizeMiB", nil},
		"no image":        {disk(func(d *host.DiskConfig) { d.Kind, d.SizeMiB = host.DiskImage, 0 }), "disks[0].image", nil},
		"image's size":    {disk(func(d *host.DiskConfig) { d.Kind, d.Image = host.DiskImage, "i" }), "disks[0].sizeMiB", nil},
		"image of a null": {disk(func(d *host.DiskConfig) { d.Image = "i" }), "disks[0].image", nil},
		"same name twice": {func(c *host.Config) {
			c.Disks = []host.DiskConfig{{Name: "x", Kind: host.DiskNull, SizeMiB: 1}}
			c.NICs = []host.NICConfig{{Name: "x", Network: host.NetworkNAT}}
		}, "nics[0].name", host.ErrExists},
		"same image twice": {func(c *host.Config) {
			c.Disks = []host.DiskConfig{{Name: "x", Kind: host.DiskImage, Image: "i", ReadOnly: true}, {Name: "y", Kind: host.DiskImage, Image: "i"}}
		}, "disks[1].image", nil},
		"no network":    {nic(func(n *host.NICConfig) { n.Network = "" }), "nics[0].network", nil},
		"bad network":   {nic(func(n *host.NICConfig) { n.Network = "a/b" }), "nics[0].network", nil},
		"multicast":     {nic(func(n *host.NICConfig) { n.MAC = "01:00:5e:00:00:01" }), "nics[0].mac", nil},
		"zero address":  {nic(func(n *host.NICConfig) { n.MAC = "00:00:00:00:00:00" }), "nics[0].mac", nil},
		"short address": {nic(func(n *host.NICConfig) { n.MAC = "02:00:5e" }), "nics[0].mac", nil},
		"EUI-64":        {nic(func(n *host.NICConfig) { n.MAC = "02:00:5e:10:00:00:00:01" }), "nics[0].mac", nil},
		"VLAN 4095":     {nic(func(n *host.NICConfig) { n.VLAN = 4095 }), "nics[0].vlan", nil},
		"a forward from another network": {nic(func(n *host.NICConfig) {
			n.Network, n.Forwards = "vswitch0", []host.Forward{{Protocol: "tcp", HostPort: 2222, GuestPort: 22}}
		}), "nics[0].forwards", nil},
		"a forward of the host's own port": {nic(func(n *host.NICConfig) { n.Forwards = []host.Forward{{Protocol: "tcp", HostPort: 443, GuestPort: 22}} }), "nics[0].forwards", nil},
		"VLAN -1":                          {nic(func(n *host.NICConfig) { n.VLAN = -1 }), "nics[0].vlan", nil},
		"address twice": {func(c *host.Config) {
			c.NICs = []host.NICConfig{{Name: "x", Network: "nat", MAC: "52:54:00:00:00:aa"}, {Name: "y", Network: "nat", MAC: "52:54:00:00:00:AA"}}
		}, "nics[1].mac", nil},
	} {
		cfg := b.config("x")
		tc.edit(&cfg)
		_, err := b.VMs().Create(cfg)
		var ce *host.ConfigError
		if !errors.As(err, &ce) || ce.Field != tc.field || tc.is != nil && !errors.Is(err, tc.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(b.VMs().List()) != 0 {
		t.Error("a refused machine is listed")
	}
}

func devices(t *testing.T, b *bench) {
	vm := b.create(t, "a")
	ctx := t.Context()
	null := func(name string) host.DiskConfig {
		return host.DiskConfig{Name: name, Kind: host.DiskNull, SizeMiB: 1}
	}
	defer func() {
		vm.Stop(ctx)
		if s := vm.Status(); s.Disks != nil || s.NICs != nil {
			t.Errorf("counters while off: %+v and %+v", s.Disks, s.NICs)
		}
		if n := b.open.Load(); n != 0 {
			t.Errorf("%d disks are open", n)
		}
	}()
	err := vm.AttachDisk(ctx, null("d0"), b.disk(t))
	if n := b.open.Load(); n != 0 {
		t.Errorf("%d disks are open of a machine that is off", n)
	}
	if errors.Is(err, host.ErrUnsupported) {
		refused(t, b, vm)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	boot := b.boot()
	if err := vm.Start(ctx, boot); err == nil {
		t.Error("start without what stands behind a disk")
	}
	boot = b.boot()
	boot.Disks = []host.Disk{b.disk(t)}
	if err := vm.Start(ctx, boot); err != nil {
		t.Fatal(err)
	}
	if err := vm.AttachDisk(ctx, null("d0"), b.disk(t)); !errors.Is(err, host.ErrExists) {
		t.Errorf("a name that is there: %v", err)
	}
	if err := vm.AttachDisk(ctx, null("d1"), b.disk(t)); err != nil {
		t.Error(err)
	}
	if n := b.open.Load(); n != 3 { // the kernel and two disks
		t.Errorf("%d are open while running", n)
	}
	if err := vm.ResizeDisk(ctx, "d1", 2<<20, false); err != nil {
		t.Error(err)
	}
	if err := vm.ResizeDisk(ctx, "d1", 1, false); !errors.Is(err, host.ErrDiskSize) {
		t.Errorf("one byte: %v", err)
	}
	if err := vm.AttachNIC(ctx, host.NICConfig{Name: "n0", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}); err != nil {
		t.Error(err)
	}
	if err := vm.SetLink(ctx, "n0", false); err != nil {
		t.Error(err)
	}
	if s := vm.Status(); len(s.Disks) != 2 || s.Disks[0].Name != "d0" || s.Disks[1].Name != "d1" || len(s.NICs) != 1 || s.NICs[0].Name != "n0" || s.NICs[0].Link {
		t.Errorf("counters of %+v and %+v", s.Disks, s.NICs)
	}
	for name, f := range map[string]func() error{
		"detach disk": func() error { return vm.DetachDisk(ctx, "none", false) },
		"resize":      func() error { return vm.ResizeDisk(ctx, "none", 1<<20, false) },
		"detach nic":  func() error { return vm.DetachNIC(ctx, "none", false) },
		"set link":    func() error { return vm.SetLink(ctx, "none", true) },
		"forwards":    func() error { return vm.SetForwards(ctx, "none", nil) },
	} {
		if err := f(); !errors.Is(err, host.ErrNotFound) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	forwards(t, vm)
	if c := vm.Config(); len(c.Disks) != 2 || c.Disks[1].SizeMiB != 2 || len(c.NICs) != 1 {
		t.Errorf("configuration %+v", c)
	}
	if err := vm.Reset(ctx); err != nil {
		t.Error(err)
	}
	if err := vm.DetachNIC(ctx, "n0", true); err != nil {
		t.Error(err)
	}
	if err := vm.DetachDisk(ctx, "d0", true); err != nil {
		t.Error(err)
	}
	if c := vm.Config(); len(c.Disks) != 1 || c.Disks[0].Name != "d1" || len(c.NICs) != 0 {
		t.Errorf("configuration %+v", c)
	}
	if n := b.open.Load(); n != 2 {
		t.Errorf("%d are open after a detach", n)
	}
}

// refused: a host that cannot do it changes nothing.
func refused(t *testing.T, b *bench, vm host.VM) {
	ctx := t.Context()
	if err := vm.Start(ctx, b.boot()); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"attach disk": vm.AttachDisk(ctx, host.DiskConfig{Name: "d0", Kind: host.DiskNull, SizeMiB: 1}, b.disk(t)),
		"attach nic":  vm.AttachNIC(ctx, host.NICConfig{Name: "n0", Network: host.NetworkNAT}),
	} {
		if !errors.Is(err, host.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"detach disk": vm.DetachDisk(ctx, "d0", true), "resize": vm.ResizeDisk(ctx, "d0", 1<<20, false),
		"detach nic": vm.DetachNIC(ctx, "n0", true), "set link": vm.SetLink(ctx, "n0", true),
	} {
		if !errors.Is(err, host.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c := vm.Config(); len(c.Disks)+len(c.NICs) != 0 {
		t.Errorf("configuration %+v", c)
	}
}
