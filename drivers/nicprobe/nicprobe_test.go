package nicprobe

import (
	"strings"
	"testing"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	"basalt/drivers/e1000/e1000test"
	"basalt/drivers/netio/pipe"
	spec "basalt/drivers/spec/e1000"
	"basalt/drivers/virtio/virtiotest"
)

func TestOpen(t *testing.T) {
	wire := func() *pipe.End {
		near, far := pipe.New(pipe.Config{})
		t.Cleanup(func() { far.Close() })
		return near
	}
	intel := e1000test.New(spec.ID82574L, wire(), 3)
	virtio := virtiotest.NewNet(virtiotest.NetConfig{}, wire())
	broken := e1000test.New(spec.ID82540EM, wire(), 0)
	broken.Shrink()
	defer intel.Remove()
	defer virtio.Remove()
	defer broken.Remove()
	disk := &bustest.Device{Addr: "test:00:09.0", Vendor: 0x1b36, DeviceID: 0x10}

	nics := Open([]bus.Device{disk, intel.Dev, broken.Dev, virtio.Dev})
	want := []string{
		"test:00:03.0 e1000: vmnic0 52:54:00:12:34:56 MTU 1500 link true",
		"test:00:03.0 e1000: e1000: vmnic1 at test:00:03.0: BAR 0 has only",
		"test:00:04.0 virtio-net: vmnic2 ",
	}
	if len(nics) != len(want) {
		t.Fatalf("%d devices", len(nics))
	}
	for i, n := range nics {
		if !strings.HasPrefix(n.String(), want[i]) {
			t.Errorf("%d: %s", i, n)
		}
		if n.Link != nil {
			n.Link.Close()
		}
	}
}
