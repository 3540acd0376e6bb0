package vm

import (
	"context"
	"errors"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
	"basalt/vmkernel/vdev/acpipm"
)

// pressed is a step that waits in the guest until the test has acted.
func pressed() (step fakecpu.Step, entered, acted chan bool) {
	entered, acted = make(chan bool), make(chan bool)
	return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(*fakecpu.Engine) {
		close(entered)
		<-acted
	}}, entered, acted
}

// in reads a port into RAX.
func in(port uint16) fakecpu.Step {
	return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindPIO, InstLen: 1, PIO: vcpu.PIO{Port: port, Size: 1, In: true}}}
}

// TestPowerButton: the guest finds the button's status bit, and the SCI at its PIC.
func TestPowerButton(t *testing.T) {
	wait, entered, acted := pressed()
	sts, irr := make(chan uint64, 1), make(chan uint64, 1)
	tell := func(ch chan uint64) fakecpu.Step {
		return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { ch <- e.R.GPR[vcpu.RAX] & 0xff }}
	}
	b := newBench(t, out(acpipm.Base+3, 1), wait, in(acpipm.Base+1), tell(sts), out(0xa0, 0x0a), in(0xa0), tell(irr))
	ctx := context.Background()
	if err := b.vm.PowerButton(ctx); !errors.Is(err, host.ErrState) {
		t.Errorf("off: %v", err)
	}
	b.start()
	<-entered
	if err := b.vm.PowerButton(ctx); err != nil {
		t.Fatal(err)
	}
	close(acted)
	if v := <-sts; v != 1 {
		t.Errorf("PM1_STS, second byte: %#x", v)
	}
	if v := <-irr; v&2 == 0 {
		t.Errorf("the PIC's IRR has no SCI: %#x", v)
	}
	b.state(host.StateRunning)
}

func TestNMI(t *testing.T) {
	wait, entered, acted := pressed()
	got := make(chan bool, 1)
	b := newBench(t, wait, fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) {
		n := 0
		for _, d := range e.Delivered {
			if d.Type == vcpu.EventNMI && d.Vector == 2 {
				n++
			}
		}
		got <- n == 1
	}})
	ctx := context.Background()
	if err := b.vm.NMI(ctx); !errors.Is(err, host.ErrState) {
		t.Errorf("off: %v", err)
	}
	b.start()
	<-entered
	if err := b.vm.NMI(ctx); err != nil {
		t.Fatal(err)
	}
	close(acted)
	if !<-got {
		t.Error("the guest has not got one NMI")
	}
	if err := b.vm.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.NMI(ctx); !errors.Is(err, host.ErrState) {
		t.Errorf("paused: %v", err)
	}
}

func TestCPUStats(t *testing.T) {
	wait, entered, acted := pressed()
	b := newBench(t, wait)
	b.mgr.p.Stolen = func(string, int) uint64 { return 0 }
	b.start()
	<-entered
	if c := b.vm.Status().CPUs; len(c) != 1 || c[0].Run <= 0 || !c[0].Sched {
		t.Errorf("while running: %+v", c)
	}
	close(acted)
	if err := b.vm.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if c := b.vm.Status().CPUs; c != nil {
		t.Errorf("while off: %+v", c)
	}
}
