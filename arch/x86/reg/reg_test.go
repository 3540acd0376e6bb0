package reg

import "testing"

func TestVectorClasses(t *testing.T) {
	for _, c := range []struct {
		v            Vector
		name         string
		err, contrib bool
	}{
		{DE, "#DE", false, true},
		{DB, "#DB", false, false},
		{NMI, "NMI", false, false},
		{DF, "#DF", true, false},
		{GP, "#GP", true, true},
		{PF, "#PF", true, false},
		{AC, "#AC", true, false},
		{MC, "#MC", false, false},
		{32, "032", false, false},
		{239, "239", false, false},
	} {
		if c.v.String() != c.name || c.v.HasError() != c.err || c.v.Contributory() != c.contrib {
			t.Errorf("vector %d: %s error %v contributory %v", uint8(c.v), c.v, c.v.HasError(), c.v.Contributory())
		}
	}
}
