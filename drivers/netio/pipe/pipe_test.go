package pipe_test

import (
	"testing"

	"basalt/drivers/netio/netiotest"
	"basalt/drivers/netio/pipe"
)

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name string
		conf pipe.Config
	}{
		{"default", pipe.Config{}},
		{"shallow", pipe.Config{Depth: 8}},
		{"small MTU", pipe.Config{MTU: 576}},
	} {
		t.Run(c.name, func(t *testing.T) {
			netiotest.Test(t, func(*testing.T) netiotest.Setup {
				a, b := pipe.New(c.conf)
				return netiotest.Setup{Link: a, Far: b, Carrier: a.SetCarrier, Remove: a.Remove}
			})
		})
	}
}

func TestPeerCloseTakesCarrier(t *testing.T) {
	a, b := pipe.New(pipe.Config{})
	if _, err := b.Send([][]byte{netiotest.Frame(60, 3)}); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if a.LinkUp() {
		t.Error("carrier is up though the peer closed")
	}
	if n, err := a.Send([][]byte{netiotest.Frame(60, 1)}); n != 1 || err != nil || a.Stats().TxDropped != 1 {
		t.Errorf("Send to a closed peer: %d, %v, %+v", n, err, a.Stats())
	}
	buf := netiotest.NewBuffers(1)
	if n, err := a.Receive(buf.Bufs, buf.Sizes); n != 1 || err != nil {
		t.Errorf("what was queued before the close: %d, %v", n, err)
	}
}
