package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
)

const (
	maxCaptures  = 4                      // at the same time
	defaultSnap  = host.MaxSnap           // whole frames
	captureFlush = 250 * time.Millisecond // how long a frame waits on its way to a reader
)

type networkIn struct {
	Name string `path:"name" maxLength:"63" doc:"The network's name."`
}

func (s *Server) networkRoutes(rt *router) {
	tags := []string{"networks"}
	operation(rt, huma.Operation{OperationID: "list-networks", Method: http.MethodGet, Path: prefix + "/networks", Tags: tags,
		Summary: "The networks that adapters can be on, with their ports, leases and open port forwards"},
		func(context.Context, *struct{}) (*body[wire.NetworkList], error) {
			l := wire.NetworkList{Networks: []wire.Network{}}
			who := s.owners()
			for _, n := range s.Host.Networks().List() {
				l.Networks = append(l.Networks, wireNetwork(n, who))
			}
			return &body[wire.NetworkList]{l}, nil
		})
	operation(rt, huma.Operation{OperationID: "get-network", Method: http.MethodGet, Path: prefix + "/networks/{name}", Tags: tags, Summary: "One network"},
		func(_ context.Context, in *networkIn) (*body[wire.Network], error) {
			n, err := s.Host.Networks().Get(in.Name)
			if err != nil {
				return nil, err
			}
			return &body[wire.Network]{wireNetwork(n, s.owners())}, nil
		})
	rt.plain(huma.Operation{OperationID: "capture-port", Method: http.MethodGet, Path: prefix + "/networks/{name}/capture", Tags: tags,
		Summary:     "What a port sends and receives, as a pcap stream",
		Description: "It goes on until the client ends it or the port is gone. The port never waits for the client: what it is too slow for is left out, and the event at the end says how much. A port has one capture at a time, the host 4.",
		Parameters: []*huma.Param{query("port", "string", "The port's name."),
			query("snap", "integer", "Bytes kept of each frame, 14 to 65550; all when left out.")},
		Responses: map[string]*huma.Response{"200": content("application/vnd.tcpdump.pcap", "pcap with nanoseconds, Ethernet")}}, "", s.capture)
}

// owners are the machines' names by port name and MAC.
func (s *Server) owners() map[string]string {
	m := map[string]string{}
	for _, v := range s.Inventory.List() {
		for _, n := range v.Spec.NICs {
			m[v.ID+"/"+n.Name], m[n.MAC] = v.Spec.Name, v.Spec.Name
		}
	}
	return m
}

func wireNetwork(n host.Network, who map[string]string) wire.Network {
	w := wire.Network{Name: n.Name, Kind: n.Kind, MTU: n.MTU, Ports: []wire.NetPort{}}
	if n.Gateway.IsValid() {
		w.Gateway = n.Gateway.String()
	}
	for _, p := range n.Ports {
		o := wire.NetPort{Name: p.Name, VM: who[p.Name], MAC: p.MAC, Up: p.Up, RxPackets: p.RxPackets, TxPackets: p.TxPackets,
			RxBytes: p.RxBytes, TxBytes: p.TxBytes, Learned: p.Learned}
		for _, d := range p.Drops {
			if o.Drops == nil {
				o.Drops = map[string]uint64{}
			}
			o.Drops[d.Cause] = d.Count
		}
		w.Ports = append(w.Ports, o)
	}
	for _, l := range n.Leases {
		o := wire.Lease{MAC: l.MAC, Address: l.Address.String(), Reserved: l.Reserved, VM: who[l.MAC]}
		if !l.Until.IsZero() {
			t := l.Until.UTC()
			o.Until = &t
		}
		w.Leases = append(w.Leases, o)
	}
	for _, f := range n.Forwards {
		w.Forwards = append(w.Forwards, wire.ActiveForward{Protocol: f.Protocol, HostPort: f.HostPort, Guest: f.Guest.String()})
	}
	return w
}

func (s *Server) capture(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	port, snap := q.Get("port"), defaultSnap
	if v := q.Get("snap"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < host.MinSnap || n > host.MaxSnap {
			fail(w, r, newProblem(http.StatusUnprocessableEntity, fmt.Sprintf("snap is a number from %d to %d", host.MinSnap, host.MaxSnap)))
			return
		}
		snap = n
	}
	if port == "" {
		fail(w, r, newProblem(http.StatusUnprocessableEntity, "port is missing: the name of a port of the network"))
		return
	}
	select {
	case s.captures <- struct{}{}:
		defer func() { <-s.captures }()
	default:
		fail(w, r, newProblem(http.StatusServiceUnavailable, "too many captures are under way"))
		return
	}
	out := &captureStream{w: progressWriter(w), rc: http.NewResponseController(w)}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { out.flush(ctx) })
	network, user := r.PathValue("name"), who(r.Context()).user
	stats, err := s.Host.Networks().Capture(ctx, network, port, out, snap)
	cancel()
	wg.Wait()
	if !out.begun {
		if err != nil {
			fail(w, r, err)
		}
		return
	}
	s.Host.Events().Append(host.Event{Kind: "network.captured", Object: network, User: user,
		Message: fmt.Sprintf("port %s of network %s was captured: %d frames, %d left out", port, network, stats.Frames, stats.Dropped)})
}

// captureStream writes a capture into an answer and flushes it now and then.
type captureStream struct {
	mu    sync.Mutex
	w     http.ResponseWriter
	rc    *http.ResponseController
	begun bool
	dirty bool
}

// Write implements io.Writer. It fails when the client takes nothing for
// progressTimeout.
func (c *captureStream) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		c.begun = true
		h := c.w.Header()
		h.Set("Content-Type", "application/vnd.tcpdump.pcap")
		h.Set("Content-Disposition", "attachment")
	}
	c.dirty = true
	return c.w.Write(p)
}

// flush sends what was written until ctx ends.
func (c *captureStream) flush(ctx context.Context) {
	tick := time.NewTicker(captureFlush)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		c.mu.Lock()
		if c.dirty {
			c.dirty = false
			c.rc.SetWriteDeadline(time.Now().Add(progressTimeout))
			_ = c.rc.Flush() // the next Write fails too
		}
		c.mu.Unlock()
	}
}

func forwardsOf(list []wire.Forward) (out []host.Forward) {
	for _, f := range list {
		out = append(out, host.Forward(f))
	}
	return out
}

func nicOf(n wire.NIC) host.NICConfig {
	return host.NICConfig{Name: n.Name, Network: n.Network, MAC: n.MAC, VLAN: n.VLAN, Forwards: forwardsOf(n.Forwards)}
}

// wireNIC is an adapter and its guest's address.
func wireNIC(n host.NICConfig, address string) wire.NIC {
	w := wire.NIC{Name: n.Name, Network: n.Network, MAC: n.MAC, VLAN: n.VLAN, Address: address}
	for _, f := range n.Forwards {
		w.Forwards = append(w.Forwards, wire.Forward(f))
	}
	return w
}
