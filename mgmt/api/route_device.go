package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/inventory"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
)

type detachIn struct {
	ID    string `path:"id" maxLength:"64" doc:"The machine's id or name."`
	Name  string `path:"name" maxLength:"20" doc:"The device's name."`
	Force bool   `query:"force" doc:"Pull it out even if the guest uses it."`
}

// withDevice is a request about one device with a body.
type withDevice[T any] struct {
	ID   string `path:"id" maxLength:"64" doc:"The machine's id or name."`
	Name string `path:"name" maxLength:"20" doc:"The device's name."`
	Body T
}

type withMachine[T any] struct {
	ID   string `path:"id" maxLength:"64" doc:"The machine's id or name."`
	Body T
}

const whileRunning = "While the machine runs, its guest sees the change at once; on one that is off, at the next start."

func (s *Server) deviceRoutes(rt *router) {
	vm := func(v inventory.VM, err error) (*body[wire.VM], error) {
		if err != nil {
			return nil, err
		}
		return &body[wire.VM]{wireVM(v)}, nil
	}
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: prefix + "/vms/{id}" + path, Summary: summary, Description: whileRunning, Tags: []string{"vms"}}
	}
	operation(rt, op("attach-disk", http.MethodPost, "/disks", "Attach a disk"),
		func(ctx context.Context, in *withMachine[wire.Disk]) (*body[wire.VM], error) {
			return vm(s.Inventory.AttachDisk(ctx, in.ID, diskOf(in.Body), who(ctx).user))
		})
	operation(rt, op("detach-disk", http.MethodDelete, "/disks/{name}", "Detach a disk that the guest lets go"),
		func(ctx context.Context, in *detachIn) (*body[wire.VM], error) {
			return vm(s.Inventory.DetachDisk(ctx, in.ID, in.Name, in.Force, who(ctx).user))
		})
	operation(rt, op("resize-disk", http.MethodPatch, "/disks/{name}", "Resize a disk"),
		func(ctx context.Context, in *withDevice[wire.DiskChange]) (*body[wire.VM], error) {
			return vm(s.Inventory.ResizeDisk(ctx, in.ID, in.Name, in.Body.Bytes, in.Body.Cut, who(ctx).user))
		})
	operation(rt, op("attach-nic", http.MethodPost, "/nics", "Attach a network adapter"),
		func(ctx context.Context, in *withMachine[wire.NIC]) (*body[wire.VM], error) {
			return vm(s.Inventory.AttachNIC(ctx, in.ID, nicOf(in.Body), who(ctx).user))
		})
	operation(rt, op("detach-nic", http.MethodDelete, "/nics/{name}", "Detach a network adapter"),
		func(ctx context.Context, in *detachIn) (*body[wire.VM], error) {
			return vm(s.Inventory.DetachNIC(ctx, in.ID, in.Name, in.Force, who(ctx).user))
		})
	operation(rt, op("set-forwards", http.MethodPut, "/nics/{name}/forwards", "Set all port forwards of a network adapter"),
		func(ctx context.Context, in *withDevice[wire.Forwards]) (*body[wire.VM], error) {
			return vm(s.Inventory.SetForwards(ctx, in.ID, in.Name, forwardsOf(in.Body.Forwards), who(ctx).user))
		})
	operation(rt, op("set-cpus", http.MethodPut, "/cpus", "Add CPUs, up to maxCPUs"),
		func(ctx context.Context, in *withMachine[wire.CPUs]) (*body[wire.VM], error) {
			return vm(s.Inventory.SetCPUs(ctx, in.ID, in.Body.CPUs, who(ctx).user))
		})
	operation(rt, op("set-memory", http.MethodPut, "/memory", "Add memory, up to maxMemoryMiB"),
		func(ctx context.Context, in *withMachine[wire.Memory]) (*body[wire.VM], error) {
			return vm(s.Inventory.SetMemory(ctx, in.ID, in.Body.MemoryMiB, who(ctx).user))
		})
	balloon := op("set-memory-target", http.MethodPut, "/memory-target", "Ask the guest to live with less of its memory, by the balloon")
	balloon.Description = "Only while the machine runs or is paused, until its next start. The guest takes its time, or does not do it at all: memoryBalloonBytes of the machine tells. What it gives back stays promised to it."
	operation(rt, balloon, func(ctx context.Context, in *withMachine[wire.MemoryTarget]) (*body[wire.VM], error) {
		return vm(s.Inventory.SetMemoryTarget(ctx, in.ID, in.Body.MiB, who(ctx).user))
	})
	link := op("set-link", http.MethodPatch, "/nics/{name}", "Plug a network adapter's cable in or out")
	link.Description = "Only while the machine runs or is paused."
	operation(rt, link, func(ctx context.Context, in *withDevice[wire.NICChange]) (*body[wire.VM], error) {
		return vm(s.Inventory.SetLink(ctx, in.ID, in.Name, in.Body.LinkUp, who(ctx).user))
	})
	operation(rt, huma.Operation{OperationID: "get-stats", Method: http.MethodGet, Path: prefix + "/stats", Tags: []string{"vms"},
		Summary: "Counters of all virtual machines, per CPU, disk and network adapter"},
		func(context.Context, *struct{}) (*body[wire.Stats], error) {
			in := s.Host.Info()
			out := wire.Stats{At: in.BootTime.Add(in.Uptime).UTC(), HostSeconds: in.Uptime.Seconds(), HostCPUs: in.CPUs, VMs: []wire.VMStats{}}
			for _, v := range s.Inventory.List() {
				out.VMs = append(out.VMs, wireStats(v))
			}
			out.Pools = wirePools(s.Inventory.Pools())
			return &body[wire.Stats]{out}, nil
		})
}

func diskOf(d wire.Disk) host.DiskConfig { return host.DiskConfig(d) }

func wireStats(vm inventory.VM) wire.VMStats {
	st := vm.Status
	w := wire.VMStats{ID: vm.ID, Name: vm.Spec.Name, State: st.State.String(), UptimeSeconds: st.Uptime.Seconds(),
		MemoryBytes: uint64(vm.Spec.MemoryMiB) << 20, MemoryUsedBytes: st.MemoryUsed, CPUSeconds: st.CPUTime.Seconds(), Pool: vm.Spec.CPU.Pool, Exits: map[string]uint64{}}
	for _, e := range st.Exits {
		w.Exits[e.Kind] += e.Count
	}
	for _, c := range st.CPUs {
		w.CPUs = append(w.CPUs, wireTimes(c))
	}
	for _, d := range st.Disks {
		w.Disks = append(w.Disks, wire.DiskStats(d))
	}
	for _, n := range st.NICs {
		w.NICs = append(w.NICs, wire.NICStats(n))
	}
	return w
}

func wireTimes(c host.CPUStats) wire.CPUStats {
	o := wire.CPUStats{RunSeconds: c.Run.Seconds()}
	if c.Sched {
		ready, stop, wait := c.Ready.Seconds(), c.CoStop.Seconds(), c.Wait.Seconds()
		o.ReadySeconds, o.CoStopSeconds, o.WaitSeconds = &ready, &stop, &wait
	}
	return o
}
