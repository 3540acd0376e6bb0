package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/inventory"
	"basalt/mgmt/task"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
)

func (s *Server) vmRoutes(rt *router) {
	tags := []string{"vms"}
	operation(rt, huma.Operation{OperationID: "list-vms", Method: http.MethodGet, Path: prefix + "/vms", Summary: "The virtual machines, oldest first", Tags: tags},
		func(context.Context, *struct{}) (*body[wire.VMList], error) {
			l := wire.VMList{VMs: []wire.VM{}}
			for _, vm := range s.Inventory.List() {
				l.VMs = append(l.VMs, wireVM(vm))
			}
			return &body[wire.VMList]{l}, nil
		})
	operation(rt, huma.Operation{OperationID: "create-vm", Method: http.MethodPost, Path: prefix + "/vms", DefaultStatus: http.StatusCreated,
		Summary: "Create a virtual machine; it is off", Tags: tags},
		func(ctx context.Context, in *struct{ Body wire.VMCreate }) (*created[wire.VM], error) {
			vm, err := s.Inventory.Create(specOf(in.Body), who(ctx).user)
			if err != nil {
				return nil, err
			}
			return &created[wire.VM]{prefix + "/vms/" + vm.ID, wireVM(vm)}, nil
		})
	operation(rt, huma.Operation{OperationID: "get-vm", Method: http.MethodGet, Path: prefix + "/vms/{id}", Summary: "One virtual machine", Tags: tags},
		func(_ context.Context, in *idIn) (*body[wire.VM], error) {
			vm, err := s.Inventory.Get(in.ID)
			return &body[wire.VM]{wireVM(vm)}, err
		})
	operation(rt, huma.Operation{OperationID: "delete-vm", Method: http.MethodDelete, Path: prefix + "/vms/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Delete a virtual machine that is off or crashed", Tags: tags},
		func(ctx context.Context, in *idIn) (*struct{}, error) {
			return nil, s.Inventory.Delete(ctx, in.ID, who(ctx).user)
		})
	operation(rt, huma.Operation{OperationID: "act-vm", Method: http.MethodPost, Path: prefix + "/vms/{id}/actions/{action}",
		Summary: "Start, stop, reset, pause, resume or shut down a virtual machine, or send it an NMI", Tags: tags,
		Description: "Answers when the action is done, with 200 and the machine. With Prefer: respond-async, or when it takes longer than 30 seconds, it answers 202 and names the task in Location. stop cuts the power; it also cancels a start that is under way. shutdown presses the ACPI power button and does not wait for the guest, which may shut down or not. nmi raises the NMI pin of every CPU. A suspended machine goes on with resume or start; stop and discard throw its state away.",
		Responses:   map[string]*huma.Response{"202": {Description: "The action goes on; Location names its task"}}},
		s.act)
}

type actIn struct {
	ID     string `path:"id" maxLength:"64" doc:"The machine's id or name."`
	Action string `path:"action" enum:"start,stop,reset,pause,resume,shutdown,nmi,discard"`
	Prefer string `header:"Prefer" maxLength:"256"`
}

type actOut struct {
	Status   int
	Location string `header:"Location"`
	Body     wire.VM
}

func (s *Server) act(ctx context.Context, in *actIn) (*actOut, error) {
	t, err := s.Inventory.Act(in.ID, inventory.Action(in.Action), who(ctx).user)
	if err != nil {
		return nil, err
	}
	out := &actOut{Status: http.StatusOK}
	if strings.Contains(in.Prefer, "respond-async") {
		out.Status = http.StatusAccepted
	} else if out.Status, err = answered(ctx, t, out.Status); err != nil {
		return nil, err
	}
	if out.Status == http.StatusAccepted {
		out.Location = prefix + "/tasks/" + t.Info().ID
	}
	vm, err := s.Inventory.Get(in.ID)
	out.Body = wireVM(vm)
	return out, err
}

// answered waits for a task, and gives done, or 202 when it takes long.
func answered(ctx context.Context, t *task.Task, done int) (int, error) {
	err := waitTask(ctx, t)
	if errors.Is(err, errStillRunning) {
		return http.StatusAccepted, nil
	}
	return done, err
}

var errStillRunning = errors.New("the task goes on")

func waitTask(ctx context.Context, t *task.Task) error {
	ctx, cancel := context.WithTimeout(ctx, actionWait)
	defer cancel()
	err := t.Wait(ctx)
	if ctx.Err() != nil && !t.Finished() {
		return errStillRunning
	}
	return err
}

func specOf(c wire.VMCreate) inventory.Spec {
	s := inventory.Spec{Name: c.Name, CPUs: c.CPUs, MemoryMiB: c.MemoryMiB, CPULevel: c.CPULevel, Hardware: c.Hardware, VsockCID: c.VsockCID,
		TestDevice: c.TestDevice, XAPICOnly: c.XAPICOnly, Boot: inventory.Boot(c.Boot), MaxCPUs: c.MaxCPUs, UUID: c.UUID,
		MaxMemoryMiB: c.MaxMemoryMiB, NUMANodes: c.NUMANodes, APICIDStep: c.APICIDStep}
	if c.CPU != nil {
		s.CPU = host.CPUSpec(*c.CPU)
	}
	for _, d := range c.Disks {
		s.Disks = append(s.Disks, diskOf(d))
	}
	for _, n := range c.NICs {
		s.NICs = append(s.NICs, nicOf(n))
	}
	for _, p := range c.Consoles {
		s.Consoles = append(s.Consoles, host.ConsoleConfig(p))
	}
	return s
}

func wireVM(vm inventory.VM) wire.VM {
	b, st := vm.Spec.Boot, vm.Status
	w := wire.VM{
		ID: vm.ID, Name: vm.Spec.Name, CPUs: vm.Spec.CPUs, MemoryMiB: vm.Spec.MemoryMiB,
		Boot:         wire.Boot(b),
		KernelFormat: string(vm.Format), Created: vm.Created.UTC(), State: st.State.String(), Reason: st.Reason, Since: st.Since.UTC(),
		UptimeSeconds: st.Uptime.Seconds(), CPUTimeSeconds: st.CPUTime.Seconds(), MemoryUsedBytes: st.MemoryUsed,
		Exits: map[string]uint64{}, CPULevel: vm.Spec.CPULevel, Hardware: vm.Spec.Hardware, VsockCID: vm.Spec.VsockCID, StateFile: vm.StateFile,
	}
	w.CPU, w.MaxCPUs, w.UUID = wire.CPU(vm.Spec.CPU), vm.Spec.MaxCPUs, vm.Spec.UUID
	w.MaxMemoryMiB, w.NUMANodes, w.APICIDStep = vm.Spec.MaxMemoryMiB, vm.Spec.NUMANodes, vm.Spec.APICIDStep
	w.MemoryHugeBytes, w.MemoryOverheadBytes = st.MemoryHuge, st.MemoryOverhead
	w.MemoryTargetBytes, w.MemoryBalloonBytes, w.MemoryReclaimedBytes = st.MemoryTarget, st.MemoryBalloon, st.MemoryReclaimed
	for _, d := range vm.Spec.Disks {
		w.Disks = append(w.Disks, wire.Disk(d))
	}
	for _, n := range vm.Spec.NICs {
		w.NICs = append(w.NICs, wireNIC(n, vm.Addresses[n.MAC]))
	}
	for _, p := range vm.Spec.Consoles {
		w.Consoles = append(w.Consoles, wire.Console(p))
	}
	for _, e := range st.Exits {
		w.Exits[e.Kind] += e.Count
		w.ExitsTotal += e.Count
	}
	return w
}
