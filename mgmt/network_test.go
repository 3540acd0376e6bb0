package mgmt_test

import (
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"basalt/mgmt"
	"basalt/mgmt/mgmttest"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// TestCapture: the stream begins at once, a port has one, what a client may not ask
// for is refused, and the client ends it.
func TestCapture(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	f.Put(t, "vmlinuz", mgmttest.BzImage)
	in := create()
	in.Boot.Kernel, in.NICs = "vmlinuz", []wire.NIC{{Network: "nat", Forwards: []wire.Forward{{Protocol: "tcp", HostPort: 2222, GuestPort: 22}}}}
	in.Boot.Initrd, in.Boot.Modules = "", nil
	vm, err := f.Client.CreateVM(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if vm, err = f.Client.Act(t.Context(), vm.ID, "start"); err != nil || vm.NICs[0].Address == "" {
		t.Fatalf("%+v, %v", vm.NICs, err)
	}
	port := vm.ID + "/nic0"
	r, err := f.Client.Capture(t.Context(), "nat", port, 128)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 24+16+host.MinSnap) // the fake host sends one frame, and no more
	if _, err := io.ReadFull(r, b); err != nil || binary.LittleEndian.Uint32(b) != 0xa1b23c4d || binary.LittleEndian.Uint32(b[16:]) != 128 {
		t.Errorf("%x, %v", b, err)
	}
	if _, err := f.Client.Capture(t.Context(), "nat", port, 0); status(err) != http.StatusConflict {
		t.Errorf("a second one: %v", err)
	}
	after := f.Host.Events().Last()
	r.Close()
	for {
		list, err := f.Host.Events().Wait(t.Context(), after, 16)
		if err != nil {
			t.Fatal(err)
		}
		after = list[len(list)-1].Seq
		if e := list[len(list)-1]; e.Kind == "network.captured" && strings.Contains(e.Message, "1 frames, 0 left out") && e.User == "root" {
			break
		}
	}
	for query, want := range map[string]int{
		"nat/capture?port=none": 404, "none/capture?port=" + port: 404, "nat/capture": 422,
		"nat/capture?port=" + port + "&snap=x": 422, "nat/capture?port=" + port + "&snap=13": 422, "nat/capture?port=" + port + "&snap=65551": 422,
	} {
		if res, body := raw(t, f, "GET", "/api/v1/networks/"+query, ""); res.StatusCode != want {
			t.Errorf("%s: %d %s", query, res.StatusCode, body)
		}
	}
	if res, _ := raw(t, f, "GET", "/api/v1/networks/nat/capture?port="+port, "", "Authorization", "Bearer none"); res.StatusCode != 401 {
		t.Errorf("without a login: %d", res.StatusCode)
	}
	// Two machines want one port of the host; the second machine does not come to be.
	in.Name, in.NICs[0].Name = "second", ""
	if _, err := f.Client.CreateVM(t.Context(), in); status(err) != http.StatusUnprocessableEntity || !strings.Contains(err.Error(), "nic0 of ") {
		t.Errorf("a port of another machine: %v", err)
	}
	if _, err := f.Client.SetForwards(t.Context(), vm.ID, "nic0", nil); err != nil {
		t.Error(err)
	}
	if _, err := f.Client.CreateVM(t.Context(), in); err != nil {
		t.Errorf("a port that was given back: %v", err)
	}
}
