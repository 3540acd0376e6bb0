package host

import (
	"errors"
	"testing"
)

func TestForwards(t *testing.T) {
	ok := Forward{"tcp", 2222, 22}
	many := make([]Forward, MaxForwards+1)
	for i := range many {
		many[i] = Forward{"udp", 5000 + i, 53}
	}
	nic := func(network string, f ...Forward) NICConfig {
		return NICConfig{Name: "nic0", Network: network, Forwards: f}
	}
	for name, c := range map[string]struct {
		nics []NICConfig
		good bool
	}{
		"two":               {[]NICConfig{nic("nat", ok, Forward{"udp", 2222, 22}, Forward{"tcp", 65535, 65535})}, true},
		"as many as can be": {[]NICConfig{nic("nat", many[1:]...)}, true},
		"too many":          {[]NICConfig{nic("nat", many...)}, false},
		"another network":   {[]NICConfig{nic("vswitch0", ok)}, false},
		"protocol":          {[]NICConfig{nic("nat", Forward{"sctp", 1, 1})}, false},
		"port 0":            {[]NICConfig{nic("nat", Forward{"tcp", 0, 22})}, false},
		"port 65536":        {[]NICConfig{nic("nat", Forward{"tcp", 65536, 22})}, false},
		"guest's port":      {[]NICConfig{nic("nat", Forward{"tcp", 2222, -1})}, false},
		"the API's":         {[]NICConfig{nic("nat", Forward{"tcp", 443, 443})}, false},
		"udp 443":           {[]NICConfig{nic("nat", Forward{"udp", 443, 443})}, true},
		"twice":             {[]NICConfig{nic("nat", ok, Forward{"tcp", 2222, 80})}, false},
		"twice in a machine": {[]NICConfig{nic("nat", ok), {Name: "nic1", Network: "nat",
			Forwards: []Forward{{"tcp", 2222, 23}}}}, false},
	} {
		cfg := Config{NICs: c.nics}
		err := cfg.CheckDevices()
		var ce *ConfigError
		if c.good != (err == nil) || err != nil && (!errors.As(err, &ce) || ce.Field[len(ce.Field)-8:] != "forwards") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCloneOfForwards: a change to a copy does not reach the original.
func TestCloneOfForwards(t *testing.T) {
	a := Config{NICs: []NICConfig{{Name: "nic0", Network: "nat", Forwards: []Forward{{"tcp", 1, 1}}}}}
	b := a.Clone()
	b.NICs[0].Forwards[0].HostPort = 2
	if a.NICs[0].Forwards[0].HostPort != 1 {
		t.Error("the copy shares its forwards")
	}
}
