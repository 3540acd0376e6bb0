package vswitch

import "testing"

var all = Policy{Promiscuous: true, ForgedTransmits: true, MACChanges: true}

func set(ids ...uint16) *VLANSet {
	s := new(VLANSet)
	for _, id := range ids {
		s.Add(id)
	}
	return s
}

type step struct {
	from     string
	dst, src MAC
	tag      int // -1: none
	want     string
	drop     string // drop counters of the sending port afterwards
}

func TestForwarding(t *testing.T) {
	forged := Policy{ForgedTransmits: true}
	multicast := MAC{1, 0, 0x5e, 0, 0, 5}
	for _, c := range []struct {
		name  string
		ports []PortConfig
		steps []step
	}{
		{"unicast to a port's own address, at once", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2)}, {Name: "c", MAC: mac(3)}}, []step{
			{"a", mac(2), mac(1), -1, "b", ""},
			{"b", mac(1), mac(2), -1, "a", ""},
		}},
		{"broadcast and multicast reach everybody else", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2)}, {Name: "u", Uplink: true}}, []step{
			{"a", Broadcast, mac(1), -1, "b u", ""},
			{"u", multicast, mac(9), -1, "a b", ""},
		}},
		{"unknown unicast goes to uplinks only", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2)}, {Name: "u", Uplink: true}}, []step{
			{"a", mac(77), mac(1), -1, "u", ""},
			{"u", mac(78), mac(9), -1, "", ""},
		}},
		{"and to ports with stations behind them", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2), Policy: forged}, {Name: "u", Uplink: true}}, []step{
			{"a", mac(77), mac(1), -1, "b u", ""},
			{"b", mac(1), mac(77), -1, "a", ""}, // learned
			{"a", mac(77), mac(1), -1, "b", ""},
			{"u", mac(77), mac(9), -1, "b", ""},
			{"u", mac(1), mac(77), -1, "a", ""}, // moved
			{"a", mac(77), mac(1), -1, "u", ""},
			{"u", mac(77), mac(10), -1, "", "nowhere=1"},
		}},
		{"forged transmits are rejected", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2)}}, []step{
			{"a", mac(2), mac(5), -1, "", "forged=1"},
			{"a", mac(2), mac(2), -1, "", "forged=2"},
		}},
		{"a neighbour cannot take over an address", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2), Policy: forged}, {Name: "c", MAC: mac(3)}}, []step{
			{"b", mac(3), mac(1), -1, "c", ""},
			{"c", mac(1), mac(3), -1, "a", ""},
		}},
		{"a local source from an uplink is a loop", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2)}, {Name: "u", Uplink: true}}, []step{
			{"u", Broadcast, mac(1), -1, "", "looped=1"},
			{"u", mac(2), mac(1), -1, "", "looped=2"},
		}},
		{"promiscuous sees its neighbours", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2)}, {Name: "p", MAC: mac(3), Policy: Policy{Promiscuous: true}}}, []step{
			{"a", mac(2), mac(1), -1, "b p", ""},
			{"a", mac(3), mac(1), -1, "p", ""},
			{"a", Broadcast, mac(1), -1, "b p", ""},
		}},
		{"what no station sends", []PortConfig{{Name: "a", MAC: mac(1), Policy: all}, {Name: "b", MAC: mac(2)}}, []step{
			{"a", mac(2), Broadcast, -1, "", "source=1"},
			{"a", mac(2), MAC{}, -1, "", "source=2"},
			{"a", MAC{1, 0x80, 0xc2, 0, 0, 0}, mac(1), -1, "", "source=2 reserved=1"},
			{"a", MAC{}, mac(1), -1, "", "source=2 reserved=1 nowhere=1"},
		}},
		{"access ports of two networks", []PortConfig{
			{Name: "a", MAC: mac(1), VLAN: VLAN{ID: 5}}, {Name: "b", MAC: mac(2), VLAN: VLAN{ID: 5}},
			{Name: "c", MAC: mac(3), VLAN: VLAN{ID: 6}}, {Name: "d", MAC: mac(4)}, {Name: "u", Uplink: true, VLAN: VLAN{Trunk: AllVLANs()}},
		}, []step{
			{"a", Broadcast, mac(1), -1, "b u/5", ""},
			{"a", mac(3), mac(1), -1, "u/5", ""},
			{"d", Broadcast, mac(4), -1, "u", ""},
			{"u", Broadcast, mac(9), 6, "c", ""},
			{"u", mac(1), mac(9), 5, "a", ""},
			{"u", mac(1), mac(9), 6, "", ""},
			{"u", Broadcast, mac(9), -1, "d", ""},
			{"a", Broadcast, mac(1), 0x6000, "b u/24581", ""}, // priority 3 survives on the trunk
			{"a", mac(2), mac(1), 5, "", "vlan=1"},
			{"u", mac(1), mac(9), 4095, "", "vlan=1"},
		}},
		{"trunks with a native network", []PortConfig{
			{Name: "a", MAC: mac(1), VLAN: VLAN{ID: 5, Trunk: set(5, 6)}}, {Name: "b", MAC: mac(2), VLAN: VLAN{ID: 6}},
			{Name: "c", MAC: mac(3), VLAN: VLAN{ID: 5}}, {Name: "d", MAC: mac(4), VLAN: VLAN{Trunk: set(5, 7)}},
		}, []step{
			{"a", Broadcast, mac(1), -1, "c d/5", ""},
			{"a", Broadcast, mac(1), 6, "b", ""},
			{"a", Broadcast, mac(1), 7, "", "vlan=1"},
			{"d", Broadcast, mac(4), -1, "", "vlan=1"}, // its native VLAN 0 is not in its set
			{"d", mac(1), mac(4), 5, "a", "vlan=1"},
			{"b", mac(1), mac(2), -1, "a/6", ""},
			{"b", mac(4), mac(2), -1, "", ""},
		}},
		{"one address in two networks", []PortConfig{
			{Name: "a", MAC: mac(1), VLAN: VLAN{ID: 5}}, {Name: "b", MAC: mac(2), VLAN: VLAN{ID: 6}},
			{Name: "u", Uplink: true, VLAN: VLAN{Trunk: set(5)}}, {Name: "v", Uplink: true, VLAN: VLAN{Trunk: set(6)}},
		}, []step{
			{"u", mac(1), mac(9), 5, "a", ""},
			{"v", mac(2), mac(9), 6, "b", ""},
			{"a", mac(9), mac(1), -1, "u/5", ""},
			{"b", mac(9), mac(2), -1, "v/6", ""},
		}},
		{"a port that is down", []PortConfig{{Name: "a", MAC: mac(1)}, {Name: "b", MAC: mac(2), Down: true}}, []step{
			{"a", mac(2), mac(1), -1, "", ""},
			{"b", mac(1), mac(2), -1, "", "down=1 port-down=1"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			for _, p := range c.ports {
				r.add(p)
			}
			for i, s := range c.steps {
				r.from(s.from, frame(s.dst, s.src, s.tag))
				if got := r.got(); got != s.want {
					t.Errorf("step %d, %v to %v from %s: went to %q, want %q", i, s.src, s.dst, s.from, got, s.want)
				}
				if got := dropped(r.ports[s.from]); got != s.drop {
					t.Errorf("step %d: %s dropped %q, want %q", i, s.from, got, s.drop)
				}
			}
		})
	}
}

func TestPayloadSurvivesTags(t *testing.T) {
	r := newRig(t, Config{})
	r.add(PortConfig{Name: "a", MAC: mac(1), VLAN: VLAN{Trunk: AllVLANs()}})
	r.add(PortConfig{Name: "b", MAC: mac(2), VLAN: VLAN{ID: 7}})
	r.add(PortConfig{Name: "c", MAC: mac(3), VLAN: VLAN{Trunk: set(7)}})
	for _, size := range []int{18, 60, MaxHead - 1, MaxHead, MaxHead + 1, MaxHead + 4, 1518} {
		f := frame(Broadcast, mac(1), 7)
		for len(f) < size {
			f = append(f, byte(len(f)*7))
		}
		f = f[:size]
		var data [][]byte // odd pieces, an empty one among them
		for i, rest := 1, f; len(rest) > 0; i++ {
			n := min(i*5%23, len(rest))
			data = append(data, rest[:n])
			rest = rest[n:]
		}
		r.send["a"].Send([]Packet{{Data: data}})
		b, _ := r.sinks["b"].take()
		cc, _ := r.sinks["c"].take()
		if len(b) != 1 || string(b[0]) != string(f[:12])+string(f[16:]) {
			t.Errorf("size %d: untagged %x", size, b)
		}
		if len(cc) != 1 || string(cc[0]) != string(f) {
			t.Errorf("size %d: tagged %x", size, cc)
		}
	}
}

func TestSizes(t *testing.T) {
	r := newRig(t, Config{})
	r.add(PortConfig{Name: "a", MAC: mac(1), VLAN: VLAN{Trunk: AllVLANs()}})
	r.add(PortConfig{Name: "b", MAC: mac(2)})
	for _, c := range []struct {
		frame []byte
		drop  string
	}{
		{frame(mac(2), mac(1), -1)[:13], "runt=1"},
		{frame(mac(2), mac(1), 0)[:17], "runt=2"},
		{frame(mac(2), mac(1), 0)[:18], "runt=2"},
		{append(frame(mac(2), mac(1), -1), make([]byte, 1514-60)...), "runt=2"},
		{append(frame(mac(2), mac(1), -1), make([]byte, 1515-60)...), "runt=2 oversize=1"},
		{append(frame(mac(2), mac(1), 0), make([]byte, 1518-60)...), "runt=2 oversize=1"},
		{append(frame(mac(2), mac(1), -1), make([]byte, 100000)...), "runt=2 oversize=2"},
		{nil, "runt=3 oversize=2"},
	} {
		r.from("a", c.frame)
		if got := dropped(r.ports["a"]); got != c.drop {
			t.Errorf("%d bytes: %q, want %q", len(c.frame), got, c.drop)
		}
	}
	r.send["a"].Send([]Packet{{Data: make([][]byte, MaxPieces+1)}})
	if n := r.ports["a"].Stats().Drops[DropPieces]; n != 1 {
		t.Errorf("too many pieces: %d", n)
	}
}
