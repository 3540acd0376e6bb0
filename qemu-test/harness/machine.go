package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// Emulator names what runs the machine, and with it the engine under test.
type Emulator string

// The emulators.
const (
	QEMU  Emulator = "qemu"  // AMD-V with nested paging
	Bochs Emulator = "bochs" // VT-x with EPT
)

// Machine describes a machine to start. The zero value of a field takes what its
// comment says.
type Machine struct {
	Emulator Emulator // QEMU
	CPUs     int      // 1
	MemMiB   int      // 512
	Kernel   string   // an ELF for QEMU's -kernel (PVH)
	Disk     string   // a raw disk image, copied so that the original stays as it is
	Firmware string   // UEFI firmware image; BIOS otherwise
	Append   string   // kernel command line (with Kernel)
	CPUModel string   // QEMU: EPYC with svm and npt; Bochs: corei7_haswell_4770
	Type     string   // QEMU machine type: pc
	NIC      string   // QEMU device name of the NIC: virtio-net-pci; "none" for no NIC. Bochs has an e1000.
	Forward  []int    // guest TCP ports to forward from free loopback ports
	Icount   bool     // QEMU: count instructions, one a nanosecond; processors take turns
	Shift    int      // with Icount: an instruction takes 1<<Shift nanoseconds
	MIPS     int      // Bochs: instructions in a microsecond of its clock: 1000. At 100, about what Bochs does, waiting for time is cheap.
	Extra    []string // further arguments or bochsrc lines
	Debugger string   // Bochs: commands for its debugger instead of "c": go on
	Dir      string   // where logs go: a new temporary folder
	Limit    time.Duration
}

// Running is a started machine.
type Running struct {
	// Dir holds serial.log and what the emulator itself said (emulator.log).
	Dir string
	// Ports are the loopback ports of Machine.Forward, in its order.
	Ports []int

	cmd    *exec.Cmd
	out    *serial
	exit   chan struct{}
	err    error
	free   func()
	cancel context.CancelCauseFunc
	ctx    context.Context
	input  *os.File
	qmp    string // socket of the machine protocol
	tmp    string // its folder
}

// ErrLimit ends a machine that ran longer than Machine.Limit.
var ErrLimit = errors.New("harness: the machine's time limit is over")

// Start starts the machine; Stop must be called.
func (m Machine) Start(ctx context.Context) (*Running, error) {
	m.defaults()
	if m.Dir == "" {
		dir, err := os.MkdirTemp("", "basalt-machine-")
		if err != nil {
			return nil, err
		}
		m.Dir = dir
	} else if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return nil, err
	}
	free, err := takeSlot(ctx)
	if err != nil {
		return nil, err
	}
	r := &Running{Dir: m.Dir, out: newSerial(), exit: make(chan struct{}), free: free}
	if r.Ports, err = freePorts(len(m.Forward)); err != nil {
		free()
		return nil, err
	}
	if m.Disk != "" {
		if err := m.copyDisk(); err != nil {
			free()
			return nil, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r.ctx, r.cancel = ctx, cancel
	start := m.qemu
	if m.Emulator == Bochs {
		start = m.bochs
	}
	if err := start(r); err != nil {
		cancel(err)
		free()
		return nil, err
	}
	limit := time.AfterFunc(m.Limit, func() { cancel(ErrLimit) })
	go func() {
		r.err = r.cmd.Wait()
		limit.Stop()
		if r.tmp != "" {
			os.RemoveAll(r.tmp)
		}
		close(r.exit)
		free()
	}()
	stopKill := context.AfterFunc(ctx, func() { r.cmd.Process.Kill() })
	go func() { <-r.exit; stopKill() }()
	go func() {
		follow(filepath.Join(m.Dir, "serial.log"), r.out, r.exit)
		r.out.end()
	}()
	return r, nil
}

func (m *Machine) defaults() {
	set := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	if m.Emulator == "" {
		m.Emulator = QEMU
	}
	if m.Emulator == QEMU {
		set(&m.CPUModel, "EPYC,+svm,+npt")
	} else {
		set(&m.CPUModel, "corei7_haswell_4770")
	}
	set(&m.Type, "pc")
	set(&m.NIC, "virtio-net-pci")
	if m.CPUs == 0 {
		m.CPUs = 1
	}
	if m.MemMiB == 0 {
		m.MemMiB = 512
	}
	if m.MIPS == 0 {
		m.MIPS = 1000
	}
	if m.Limit == 0 {
		m.Limit = 60 * time.Second
	}
}

// copyDisk gives the machine a disk of its own.
func (m *Machine) copyDisk() error {
	b, err := os.ReadFile(m.Disk)
	if err != nil {
		return err
	}
	m.Disk = filepath.Join(m.Dir, "disk.img")
	return os.WriteFile(m.Disk, b, 0o644)
}

func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// WaitFor waits until the pattern appears on the serial line after the last
// match, and gives the match and its groups.
func (r *Running) WaitFor(ctx context.Context, pattern string) ([]string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })
	defer stop()
	defer cancel(nil)
	return r.out.waitFor(ctx, re)
}

// Log is everything that came over the serial line so far.
func (r *Running) Log() []byte { return r.out.bytes() }

// Drained says that the emulator ended and Log has all of its output.
func (r *Running) Drained() bool { return r.out.ended() }

// Exited is closed when the emulator ended.
func (r *Running) Exited() <-chan struct{} { return r.exit }

// Wait waits for the emulator to end by itself.
func (r *Running) Wait(ctx context.Context) error {
	select {
	case <-r.exit:
		if err := context.Cause(r.ctx); err != nil {
			return err
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stop ends the emulator and waits until it is gone.
func (r *Running) Stop() {
	r.cancel(errors.New("harness: stopped"))
	<-r.exit
	if r.input != nil {
		r.input.Close()
	}
}

// ExitCode is the emulator's exit status once it ended.
func (r *Running) ExitCode() int { return r.cmd.ProcessState.ExitCode() }

func (r *Running) command(dir, name string, args ...string) error {
	log, err := os.Create(filepath.Join(dir, "emulator.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, name, args)
	r.cmd = exec.Command(name, args...)
	r.cmd.Dir = dir
	r.cmd.Stdout, r.cmd.Stderr = log, log
	// The emulator must not outlive a test that was killed. The kernel sends the
	// signal when the thread that started it ends, so that thread stays.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := r.cmd.Start()
		started <- err
		if err == nil {
			<-r.exit
		}
		runtime.UnlockOSThread()
	}()
	return <-started
}
