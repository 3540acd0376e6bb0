package vswitch

import (
	"testing"
	"time"
)

func TestAgeing(t *testing.T) {
	r := newRig(t, Config{Ageing: time.Minute})
	r.add(PortConfig{Name: "a", MAC: mac(1)})
	u := r.add(PortConfig{Name: "u", Uplink: true})
	r.add(PortConfig{Name: "v", Uplink: true})
	for _, c := range []struct {
		pass time.Duration
		seen bool
		want string
	}{
		{0, true, "u"}, {time.Minute, false, "u"}, {time.Second, false, "u v"},
		{time.Hour, true, "u"}, {59 * time.Second, true, "u"}, {59 * time.Second, false, "u"},
	} {
		r.pass(c.pass)
		if c.seen {
			r.from("u", frame(mac(1), mac(50), -1))
			r.got()
		}
		r.from("a", frame(mac(50), mac(1), -1))
		if got := r.got(); got != c.want {
			t.Errorf("after %v: %q, want %q", c.pass, got, c.want)
		}
	}
	if r.sw.Lookup(mac(50), 0) != u || r.sw.Lookup(mac(1), 0) != r.ports["a"] || r.sw.Lookup(mac(51), 0) != nil {
		t.Error("Lookup")
	}
	u.SetUp(false)
	if r.sw.Lookup(mac(50), 0) != nil || u.Stats().Learned != 0 {
		t.Error("a port that went down is remembered")
	}
	u.SetUp(true)
	r.from("u", frame(mac(1), mac(50), -1))
	u.Close()
	if r.sw.Lookup(mac(50), 0) != nil {
		t.Error("a closed port is remembered")
	}
	r.from("u", frame(mac(1), mac(50), -1))
	if r.sw.Lookup(mac(50), 0) != nil || r.sw.FDB().Entries != 0 {
		t.Error("a closed port learns")
	}
}

func TestMACFlood(t *testing.T) {
	r := newRig(t, Config{FDBEntries: 512, FDBPerPort: 100})
	r.add(PortConfig{Name: "a", MAC: mac(1)})
	r.add(PortConfig{Name: "u", Uplink: true})
	evil := r.add(PortConfig{Name: "e", MAC: mac(3), Policy: all})
	for i := range byte(60) {
		r.from("u", frame(mac(1), mac(100+i), -1))
	}
	before := r.ports["u"].Stats().Learned
	for i := range 100000 {
		m := MAC{2, 0xee, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
		r.from("e", frame(mac(1), m, -1))
	}
	if n := evil.Stats().Learned; n > 100 {
		t.Errorf("%d addresses learned at a port", n)
	}
	if n := r.ports["u"].Stats().Learned; n != before || before < 50 {
		t.Errorf("the flood displaced another port's addresses: %d of %d", n, before)
	}
	if st := r.sw.FDB(); st.Entries > 512 || st.Refused+st.Replaced < 90000 {
		t.Errorf("%+v", st)
	}
	// Learned counts must fit the table.
	n := 0
	for i := range r.sw.fdb.sets {
		for _, e := range r.sw.fdb.sets[i] {
			if e.key != 0 {
				n++
			}
		}
	}
	if n != r.sw.FDB().Entries || n != evil.Stats().Learned+r.ports["u"].Stats().Learned {
		t.Errorf("%d entries, counted %d", n, r.sw.FDB().Entries)
	}
}
