package mgmt_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"basalt/mgmt"
	"basalt/mgmt/mgmttest"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host/fakehost"
)

func TestCopies(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{MemoryTotal: 128 << 20}, mgmt.Config{})
	ctx := t.Context()
	f.Put(t, "k/vmlinuz", mgmttest.BzImage)
	f.Put(t, "text", "hello")
	f.Put(t, "big", strings.Repeat("x", 48<<20))
	if _, err := f.Client.CreateImage(ctx, "d.img", 1<<30); err != nil { // of holes
		t.Fatal(err)
	}
	vm := create()
	vm.Disks = []wire.Disk{{Kind: "image", Image: "d.img"}}
	if _, err := f.Client.CreateVM(ctx, vm); err != nil {
		t.Fatal(err)
	}

	res, b := raw(t, f, "POST", "/api/v1/copies", `{"from":"d.img","to":"copies/d.img"}`)
	var got wire.File
	if json.Unmarshal([]byte(b), &got) != nil || res.StatusCode != 201 || res.Header.Get("Location") != "/api/v1/files/copies/d.img" || got.Bytes != 1<<30 || got.UsedBytes != 0 {
		t.Errorf("%d %s", res.StatusCode, b)
	}
	res, b = raw(t, f, "POST", "/api/v1/copies", `{"from":"text","to":"late"}`, "Prefer", "respond-async", "Authorization", "Basic "+basic())
	if at := res.Header.Get("Location"); res.StatusCode != 202 || !strings.HasPrefix(at, "/api/v1/tasks/") || !strings.Contains(b, `"path":"late"`) {
		t.Errorf("%d %s %s", res.StatusCode, at, b)
	}
	var done, total uint64
	got, err := f.Client.CopyFile(ctx, wire.FileCopy{From: "big", To: "text", Replace: true}, func(d, n uint64) { done, total = d, n })
	if err != nil || got.Path != "text" || got.Bytes != 48<<20 || len(got.SHA256) != 64 || done != 48<<20 || total != done {
		t.Errorf("%+v, %v, %d of %d bytes", got, err, done, total)
	}
	f.Put(t, "text", "hello")
	if _, err := f.Client.Act(ctx, "web", "start"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"same name":      {`{"from":"text","to":"text","replace":true}`, 409, "a copy of itself"},
		"no source":      {`{"from":"nope","to":"a"}`, 404, "nope"},
		"there":          {`{"from":"big","to":"text"}`, 409, "already exists"},
		"slash":          {`{"from":"text","to":"/a"}`, 422, "not a valid path"},
		"up":             {`{"from":"text","to":"a/../b"}`, 422, "not a valid path"},
		"below a file":   {`{"from":"text","to":"text/a"}`, 409, "conflicts"},
		"long":           {`{"from":"text","to":"` + strings.Repeat("a", 256) + `"}`, 422, "body.to"},
		"empty":          {`{"from":"","to":"a"}`, 422, "body.from"},
		"no target":      {`{"from":"text"}`, 422, "to"},
		"unknown field":  {`{"from":"text","to":"a","overwrite":true}`, 422, "body.overwrite"},
		"written to":     {`{"from":"d.img","to":"a"}`, 409, "in use by virtual machine web"},
		"over a disk":    {`{"from":"text","to":"d.img","replace":true}`, 409, "in use by virtual machine web"},
		"no room":        {`{"from":"big","to":"a"}`, 507, "are missing"},
		"not JSON":       {`{"from":`, 400, ""},
		"deep":           {strings.Repeat("[", 100000), 400, ""},
		"number as text": {`{"from":1,"to":2}`, 422, "body.from"},
	} {
		res, b := raw(t, f, "POST", "/api/v1/copies", tc.body)
		var p wire.Problem
		if res.StatusCode != tc.status || !strings.Contains(b, tc.says) || json.Unmarshal([]byte(b), &p) != nil || p.Status != tc.status {
			t.Errorf("%s: %d %s", name, res.StatusCode, b)
		}
	}
	if res, b := raw(t, f, "POST", "/api/v1/copies", `{"from":"text","to":"a"}`, "Content-Type", "application/json"); res.StatusCode != 401 {
		t.Errorf("without a login: %d %s", res.StatusCode, b)
	}
	if _, err := f.Client.CopyFile(ctx, wire.FileCopy{From: "big", To: "a"}, nil); status(err) != 507 {
		t.Errorf("no room, of a task: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := f.Client.CopyFile(gone, wire.FileCopy{From: "text", To: "a"}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	l, err := f.Client.Files(ctx, "a")
	if err != nil || len(l.Files) != 0 {
		t.Errorf("left of what failed: %+v, %v", l, err)
	}
	said := false
	f.Client.Events(ctx, 0, -1, false, func(e wire.Event) error {
		said = said || e.Kind == "file.stored" && e.Object == "text" && e.User == "root" && strings.Contains(e.Message, "copy of big")
		return nil
	})
	if !said {
		t.Error("no event says who has copied")
	}
}
