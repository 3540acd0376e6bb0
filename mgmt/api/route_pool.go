package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/inventory"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
)

type poolIn struct {
	Name string `path:"name" maxLength:"63" doc:"The pool's name."`
}

const poolText = "Of what its parent has, those in it get by shares; a reservation is there whenever it is wanted, and a limit holds all in it together. 507 with cpu: what is asked for is promised to others, and the detail says to whom."

func (s *Server) poolRoutes(rt *router) {
	tags := []string{"pools"}
	operation(rt, huma.Operation{OperationID: "list-pools", Method: http.MethodGet, Path: prefix + "/pools", Tags: tags,
		Summary: "The resource pools, each before those in it; the first is host"},
		func(context.Context, *struct{}) (*body[wire.PoolList], error) {
			return &body[wire.PoolList]{wire.PoolList{Pools: wirePools(s.Inventory.Pools())}}, nil
		})
	operation(rt, huma.Operation{OperationID: "create-pool", Method: http.MethodPost, Path: prefix + "/pools", DefaultStatus: http.StatusCreated, Tags: tags,
		Summary: "Create a resource pool", Description: poolText + " Pools last until the host is started anew, as machines do."},
		func(ctx context.Context, in *struct{ Body wire.PoolCreate }) (*created[wire.Pool], error) {
			b := in.Body
			p, err := s.Inventory.CreatePool(host.PoolConfig{Name: b.Name, CPU: host.CPUSpec{Shares: b.Shares, Reservation: b.Reservation, Limit: b.Limit, Pool: b.Parent}}, who(ctx).user)
			if err != nil {
				return nil, err
			}
			return &created[wire.Pool]{prefix + "/pools/" + p.Name, wirePool(p)}, nil
		})
	operation(rt, huma.Operation{OperationID: "get-pool", Method: http.MethodGet, Path: prefix + "/pools/{name}", Tags: tags, Summary: "One resource pool"},
		func(_ context.Context, in *poolIn) (*body[wire.Pool], error) {
			p, err := s.Inventory.Pool(in.Name)
			if err != nil {
				return nil, err
			}
			return &body[wire.Pool]{wirePool(p)}, nil
		})
	operation(rt, huma.Operation{OperationID: "set-pool", Method: http.MethodPut, Path: prefix + "/pools/{name}", Tags: tags,
		Summary: "Set all that a resource pool is entitled to, at once for what runs in it", Description: poolText},
		func(ctx context.Context, in *struct {
			Name string `path:"name" maxLength:"63" doc:"The pool's name."`
			Body wire.PoolChange
		}) (*body[wire.Pool], error) {
			old, err := s.Inventory.Pool(in.Name)
			if err != nil {
				return nil, err
			}
			p, err := s.Inventory.SetPool(in.Name, host.CPUSpec{Shares: in.Body.Shares, Reservation: in.Body.Reservation, Limit: in.Body.Limit, Pool: old.CPU.Pool}, who(ctx).user)
			if err != nil {
				return nil, err
			}
			return &body[wire.Pool]{wirePool(p)}, nil
		})
	operation(rt, huma.Operation{OperationID: "remove-pool", Method: http.MethodDelete, Path: prefix + "/pools/{name}", DefaultStatus: http.StatusNoContent, Tags: tags,
		Summary: "Remove a resource pool in which nothing is"},
		func(ctx context.Context, in *poolIn) (*struct{}, error) {
			return nil, s.Inventory.RemovePool(in.Name, who(ctx).user)
		})
	operation(rt, huma.Operation{OperationID: "set-cpu", Method: http.MethodPut, Path: prefix + "/vms/{id}/cpu", Tags: []string{"vms"},
		Summary: "Set all of a machine's part of the host's processors, and its pool", Description: "At once, if it runs. " + poolText},
		func(ctx context.Context, in *withMachine[wire.CPU]) (*body[wire.VM], error) {
			vm, err := s.Inventory.SetCPU(ctx, in.ID, host.CPUSpec(in.Body), who(ctx).user)
			if err != nil {
				return nil, err
			}
			return &body[wire.VM]{wireVM(vm)}, nil
		})
}

func wirePools(list []inventory.Pool) []wire.Pool {
	out := make([]wire.Pool, 0, len(list))
	for _, p := range list {
		out = append(out, wirePool(p))
	}
	return out
}

func wirePool(p inventory.Pool) wire.Pool {
	w := wire.Pool{Name: p.Name, Parent: p.CPU.Pool, Shares: p.CPU.Shares, Reservation: p.CPU.Reservation, Limit: p.CPU.Limit,
		Promised: p.Promised, VMs: p.VMs, RunningVMs: p.Machines, Times: wireTimes(p.Time)}
	if w.VMs == nil {
		w.VMs = []string{}
	}
	return w
}
