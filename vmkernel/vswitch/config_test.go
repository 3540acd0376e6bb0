package vswitch

import (
	"errors"
	"fmt"
	"testing"
)

func TestRefusedConfigurations(t *testing.T) {
	r := newRig(t, Config{MaxPorts: 3})
	a := r.add(PortConfig{Name: "a", MAC: mac(1)})
	b := r.add(PortConfig{Name: "b", MAC: mac(2), Policy: all})
	k := &sink{}
	for _, c := range []struct {
		c    PortConfig
		rx   Receiver
		want error
	}{
		{PortConfig{Name: "a", MAC: mac(3)}, k, ErrExists},
		{PortConfig{Name: "c", MAC: mac(1)}, k, ErrMACInUse},
		{PortConfig{Name: "c"}, k, ErrMAC},
		{PortConfig{Name: "c", MAC: Broadcast}, k, ErrMAC},
		{PortConfig{Name: "c", MAC: mac(3), VLAN: VLAN{ID: 4095}}, k, ErrVLAN},
		{PortConfig{Name: "c", MAC: mac(3), Features: Features{TSO4: true}}, k, ErrConfig},
		{PortConfig{Name: "c", MAC: mac(3)}, nil, ErrConfig},
		{PortConfig{Name: "c", MAC: mac(3)}, k, nil},
		{PortConfig{Name: "d", MAC: mac(4)}, k, ErrTooMany},
	} {
		if _, err := r.sw.AddPort(c.c, c.rx); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.c, err, c.want)
		}
	}
	if err := a.SetMAC(mac(9)); !errors.Is(err, ErrPolicy) {
		t.Error(err)
	}
	if err := a.SetMAC(mac(1)); err != nil {
		t.Error(err)
	}
	if err := b.SetMAC(mac(1)); !errors.Is(err, ErrMACInUse) {
		t.Error(err)
	}
	if err := b.SetMAC(Broadcast); !errors.Is(err, ErrMAC) {
		t.Error(err)
	}
	if err := b.SetMAC(mac(9)); err != nil || b.MAC() != mac(9) {
		t.Error(err)
	}
	if err := b.SetPolicy(Policy{}); err != nil || b.MAC() != mac(2) {
		t.Errorf("the configured address is not back: %v %v", b.MAC(), err)
	}
	for _, c := range []Config{{MTU: 100}, {MTU: 10000}, {FDBEntries: 1}, {FDBPerPort: -1}, {MaxPorts: 5000}, {Ageing: -1}} {
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	r.sw.Close()
	if _, err := r.sw.AddPort(PortConfig{Name: "z", MAC: mac(8)}, k); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for _, s := range []string{"", "02:00", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "02:00:00:00:00:00:00:01"} {
		if _, err := ParseMAC(s); err == nil {
			t.Errorf("ParseMAC(%q)", s)
		}
	}
	if m, err := ParseMAC("02-ba-5a-00-00-07"); m != mac(7) || err != nil {
		t.Error(m, err)
	}
}

func TestFilters(t *testing.T) {
	group := func(n byte) MAC { return MAC{1, 0, 0x5e, 0, 0, n} }
	many := make([]MAC, MaxFilter+1)
	for _, c := range []struct {
		name   string
		policy Policy
		filter *Filter
		dst    MAC
		want   bool
	}{
		{"no filter, multicast", Policy{}, nil, group(1), true},
		{"empty filter, multicast", Policy{}, &Filter{}, group(1), false},
		{"listed group", Policy{}, &Filter{Multicast: []MAC{group(2), group(1)}}, group(1), true},
		{"all groups", Policy{}, &Filter{AllMulticast: true}, group(1), true},
		{"too many groups", Policy{}, &Filter{Multicast: many}, group(1), true},
		{"broadcast passes", Policy{}, &Filter{}, Broadcast, true},
		{"own address passes", Policy{}, &Filter{}, mac(2), true},
		{"promiscuous against the policy", Policy{}, &Filter{Promiscuous: true}, mac(7), false},
		{"promiscuous", Policy{Promiscuous: true}, &Filter{Promiscuous: true}, mac(7), true},
		{"not asked for", Policy{Promiscuous: true}, &Filter{}, mac(7), false},
		{"second address against the policy", Policy{}, &Filter{Unicast: []MAC{mac(7)}}, mac(7), false},
		{"second address", Policy{MACChanges: true}, &Filter{Unicast: []MAC{mac(7)}}, mac(7), true},
	} {
		r := newRig(t, Config{})
		r.add(PortConfig{Name: "a", MAC: mac(1)})
		b := r.add(PortConfig{Name: "b", MAC: mac(2), Policy: c.policy})
		if err := b.SetFilter(c.filter); err != nil {
			t.Fatal(err)
		}
		r.from("a", frame(c.dst, mac(1), -1))
		if got := r.got() == "b"; got != c.want {
			t.Errorf("%s: received %v, want %v", c.name, got, c.want)
		}
	}
	r := newRig(t, Config{})
	r.add(PortConfig{Name: "a", MAC: mac(1), VLAN: VLAN{Trunk: AllVLANs()}})
	b := r.add(PortConfig{Name: "b", MAC: mac(2), VLAN: VLAN{Trunk: AllVLANs()}})
	b.SetFilter(&Filter{VLANs: set(5)})
	for _, tag := range []int{5, 6, 0} {
		r.from("a", frame(mac(2), mac(1), tag))
	}
	if got := r.got(); got != "b b/5" {
		t.Errorf("a trunk's filter let %q through", got)
	}
}

func TestFullReceiver(t *testing.T) {
	r := newRig(t, Config{})
	r.add(PortConfig{Name: "a", MAC: mac(1)})
	r.add(PortConfig{Name: "b", MAC: mac(2)})
	r.add(PortConfig{Name: "c", MAC: mac(3)})
	r.sinks["b"].room = 7
	var batch []Packet
	for range 100 {
		batch = append(batch, Packet{Data: [][]byte{frame(Broadcast, mac(1), -1)}})
	}
	r.send["a"].Send(batch)
	for _, c := range []struct {
		port string
		st   Stats
	}{
		{"a", Stats{TxFrames: 100, TxBytes: 6000}},
		{"b", Stats{RxFrames: 7, RxBytes: 420, Drops: [drops]uint64{DropFull: 93}}},
		{"c", Stats{RxFrames: 100, RxBytes: 6000}},
	} {
		st := r.ports[c.port].Stats()
		st.Learned = 0
		if fmt.Sprint(st) != fmt.Sprint(c.st) {
			t.Errorf("%s: %+v, want %+v", c.port, st, c.st)
		}
	}
}
