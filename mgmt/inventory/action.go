package inventory

import (
	"context"
	"fmt"

	"basalt/mgmt/task"
	"basalt/vmkernel/host"
)

// Action is something a machine can be told to do.
type Action string

// The actions.
const (
	Start  Action = "start"
	Stop   Action = "stop"
	Reset  Action = "reset"
	Pause  Action = "pause"
	Resume Action = "resume"
	// Shutdown presses the ACPI power button.
	Shutdown Action = "shutdown"
	NMI      Action = "nmi"
	// Discard throws the state of a suspended machine away, as Stop does.
	Discard Action = "discard"
)

// Actions are all actions in the order of documentation.
var Actions = []Action{Start, Stop, Reset, Pause, Resume, Shutdown, NMI, Discard}

// Act begins an action on the machine with this id or name. A stop cancels a
// start that is under way; everything else that meets another action is refused.
// Errors: host.ErrNotFound, host.ErrBusy; the task's: host.ErrState,
// host.ErrNoEngine, host.ErrNoMemory, host.ErrBadImage, host.ConfigError.
func (v *Inventory) Act(id string, a Action, user string) (*task.Task, error) {
	e, err := v.find(id)
	if err != nil {
		return nil, err
	}
	var do func(context.Context) error
	switch a {
	case Start:
		do = func(ctx context.Context) error { return v.start(ctx, e) }
	case Stop:
		do = e.vm.Stop
	case Reset:
		do = e.vm.Reset
	case Pause:
		do = e.vm.Pause
	case Resume:
		do = e.vm.Resume
	case Shutdown:
		do = e.vm.PowerButton
	case NMI:
		do = e.vm.NMI
	case Discard:
		do = func(context.Context) error {
			return &host.StateError{Action: "discard the state of", State: e.vm.Status().State}
		}
	default:
		return nil, fmt.Errorf("action %q: %w", a, host.ErrNotFound)
	}
	awake := do
	do = func(ctx context.Context) error {
		if v.suspended(e) != nil {
			return v.actAsleep(ctx, e, a)
		}
		return awake(ctx)
	}
	r := task.Request{Kind: "vm." + string(a), Object: e.id, User: user, Cancel: a == Stop && e.vm.Status().State == host.StateStarting, Limit: limitOf(a)}
	return v.tasks.Run(r, func(ctx context.Context) error {
		err := do(ctx)
		if r.Cancel && e.vm.Status().State == host.StateOff {
			err = nil // the cancelled start has left it off already
		}
		ev := host.Event{Kind: r.Kind, Object: e.id, User: user, Message: fmt.Sprintf("%s of machine %s", a, e.spec.Name)}
		if err != nil {
			ev.Severity, ev.Message = host.SeverityWarning, ev.Message+" failed: "+err.Error()
		}
		v.host.Events().Append(ev)
		return err
	})
}

func (v *Inventory) start(ctx context.Context, e *entry) error {
	// The machine's state is asked first: its error says more than a missing file.
	s := e.vm.Status().State
	if s != host.StateOff && s != host.StateCrashed {
		return &host.StateError{Action: string(Start), State: s}
	}
	boot, err := v.openBoot(e.spec.Boot)
	if err != nil {
		return err
	}
	if s == host.StateCrashed { // it has its images open
		err = e.vm.Stop(ctx)
	}
	if err == nil {
		boot.Disks, err = v.openDisks(e.vm.Config())
	}
	if err != nil {
		boot.Close()
		return err
	}
	return e.vm.Start(ctx, boot)
}
