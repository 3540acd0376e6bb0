package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/inventory"
	"basalt/mgmt/task"
	"basalt/mgmt/wire"
)

const answersLate = " It answers when that is done; with Prefer: respond-async, or when it takes longer than 30 seconds, with 202 and the task's path in Location. The task counts the bytes of memory, and DELETE ends it."

// late are the answers of an operation that answersLate.
func late(done string) map[string]*huma.Response {
	return map[string]*huma.Response{done: {Description: "It is done"}, "202": {Description: "It goes on; Location names its task, and the body has no more than the name"}}
}

type suspendIn struct {
	ID     string `path:"id" maxLength:"64" doc:"The machine's id or name."`
	Prefer string `header:"Prefer" maxLength:"256"`
	Body   wire.VMSuspend
}

type cloneIn struct {
	ID     string `path:"id" maxLength:"64" doc:"The machine's id or name."`
	Prefer string `header:"Prefer" maxLength:"256"`
	Body   wire.VMClone
}

type restoreIn struct {
	Prefer string `header:"Prefer" maxLength:"256"`
	Body   wire.VMRestore
}

type stateIn struct {
	File  string `query:"file" required:"true" minLength:"1" maxLength:"255" doc:"The state's path in the file store."`
	Check bool   `query:"check" doc:"Read all of it, and check its checksums."`
}

func (s *Server) stateRoutes(rt *router) {
	tags := []string{"states"}
	operation(rt, huma.Operation{OperationID: "suspend-vm", Method: http.MethodPost, Path: prefix + "/vms/{id}/suspend", Tags: tags, Responses: late("200"),
		Summary:     "Write a machine's state into a file, and switch it off",
		Description: "From running or paused to suspended. The images of its disks stay as they are until it goes on or the state is thrown away. 409 with not-savable names a device that cannot be saved." + answersLate},
		func(ctx context.Context, in *suspendIn) (*actOut, error) {
			t, err := s.Inventory.Suspend(in.ID, inventory.Suspend(in.Body), who(ctx).user)
			return s.outcome(ctx, in.ID, in.Prefer, http.StatusOK, t, err)
		})
	operation(rt, huma.Operation{OperationID: "clone-vm", Method: http.MethodPost, Path: prefix + "/vms/{id}/clone", Tags: tags, Responses: late("201"),
		Summary:     "Make a second machine that goes on from where one is",
		Description: "From a running or paused machine, which stands still meanwhile; both are then as it was. The new one has copies of the images that it may write to, called NAME.DISK.img, and another generation ID." + answersLate},
		func(ctx context.Context, in *cloneIn) (*actOut, error) {
			t, err := s.Inventory.Clone(in.ID, inventory.Clone{Name: in.Body.Name, NICs: inventory.NICs(in.Body.NICs)}, who(ctx).user)
			return s.outcome(ctx, in.Body.Name, in.Prefer, http.StatusCreated, t, err)
		})
	operation(rt, huma.Operation{OperationID: "restore-vm", Method: http.MethodPost, Path: prefix + "/restore", Tags: tags, Responses: late("201"),
		Summary: "Make a machine from a saved state, which stays",
		Description: "422 with bad-state: the file is cut, damaged or no state; the detail says which section and where. 409 with incompatible: this host cannot carry the machine; the detail says why. 409 with in-use: a disk's image or an adapter's address is another machine's. 507: there is not enough memory." +
			answersLate},
		func(ctx context.Context, in *restoreIn) (*actOut, error) {
			b := in.Body
			r := inventory.Restore{File: b.File, Name: b.Name, NICs: inventory.NICs(b.NICs), Images: b.Images, Paused: b.Paused}
			if b.Boot != nil {
				r.Boot = inventory.Boot(*b.Boot)
			}
			id, t, err := s.Inventory.Restore(r, who(ctx).user)
			return s.outcome(ctx, id, in.Prefer, http.StatusCreated, t, err)
		})
	operation(rt, huma.Operation{OperationID: "get-state", Method: http.MethodGet, Path: prefix + "/state", Tags: tags,
		Summary: "What a saved state says about itself"},
		func(_ context.Context, in *stateIn) (*body[wire.SavedState], error) {
			st, err := s.Inventory.State(in.File, in.Check)
			if err != nil {
				return nil, err
			}
			return &body[wire.SavedState]{wireState(in, st)}, nil
		})
}

// outcome answers for a task that leaves machine id.
func (s *Server) outcome(ctx context.Context, id, prefer string, done int, t *task.Task, err error) (*actOut, error) {
	if err != nil {
		return nil, err
	}
	out := &actOut{Status: http.StatusAccepted}
	if !strings.Contains(prefer, "respond-async") {
		if out.Status, err = answered(ctx, t, done); err != nil {
			return nil, err
		}
	}
	vm, err := s.Inventory.Get(id)
	if out.Status == http.StatusAccepted {
		out.Location = prefix + "/tasks/" + t.Info().ID
		if err != nil {
			vm.Spec.Name = id // it is not there yet
		}
		out.Body = wireVM(vm)
		return out, nil
	}
	if out.Body = wireVM(vm); done == http.StatusCreated {
		out.Location = prefix + "/vms/" + vm.ID
	}
	return out, err
}

func wireState(in *stateIn, s inventory.SavedState) wire.SavedState {
	c := s.SavedState.Config
	w := wire.SavedState{Path: in.File, Bytes: s.Bytes, Name: c.Name, Engine: s.Engine, CPULevel: c.CPULevel, Hardware: max(c.Hardware, 1), TSCKHz: s.TSCKHz,
		CPUs: c.CPUs, MemoryMiB: c.MemoryMiB, Boot: wire.Boot(s.Boot), Checked: in.Check}
	if !s.Saved.IsZero() {
		w.Saved = &s.Saved
	}
	for _, d := range c.Disks {
		w.Disks = append(w.Disks, wire.Disk(d))
	}
	for _, n := range c.NICs {
		w.NICs = append(w.NICs, wireNIC(n, ""))
	}
	return w
}
