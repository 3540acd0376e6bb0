package mgmt_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"basalt/mgmt"
	"basalt/mgmt/client"
	"basalt/mgmt/mgmttest"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// raw sends one request with the fixture's certificate and returns the answer.
func raw(t *testing.T, f *mgmttest.Fixture, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+f.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if len(header) == 0 {
		r.SetBasicAuth("root", mgmttest.Password)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c := f.Client.HTTP()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func basic() string {
	return base64.StdEncoding.EncodeToString([]byte("root:" + mgmttest.Password))
}

func status(err error) int {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Status
	}
	if err != nil {
		return -1
	}
	return 200
}

func create() wire.VMCreate {
	return wire.VMCreate{Name: "web", CPUs: 1, MemoryMiB: 64, Boot: wire.Boot{Kernel: "k/vmlinuz", Cmdline: "console=ttyS0"}}
}

func TestHost(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{Hostname: "h1"}, mgmt.Config{})
	h, err := f.Client.Host(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.Name != "h1" || h.Engine != "amd-v" || !h.CanRunVMs || h.CPUs != 4 || h.MemoryTotalBytes != 1<<30 ||
		h.TimeToReadySeconds <= 0 || h.Fingerprint != f.Agent.Fingerprint() || len(h.Addresses) != 2 {
		t.Errorf("host %+v", h)
	}
	st, _ := f.Agent.Status().Get()
	if st.State != "ready" || len(st.URLs) != 2 || st.URLs[1] != "https://[2001:db8::10]/" || !strings.HasPrefix(st.PasswordHint, "as set") {
		t.Errorf("console page %+v", st)
	}
}

func TestNoEngine(t *testing.T) {
	const why = "AMD-V is locked off in the firmware"
	f := mgmttest.Start(t, fakehost.Options{CannotRun: why}, mgmt.Config{})
	hl, err := f.As(t, client.Options{}).Health(t.Context())
	if err != nil || hl.Status != "degraded" || hl.Reason != why {
		t.Errorf("health %+v, %v", hl, err)
	}
	h, _ := f.Client.Host(t.Context())
	if h.Engine != "none" || h.CanRunVMs || h.Reason != why {
		t.Errorf("host %+v", h)
	}
	f.Put(t, "k/vmlinuz", mgmttest.BzImage)
	if _, err := f.Client.CreateVM(t.Context(), create()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Client.Act(t.Context(), "web", "start"); status(err) != 503 || !strings.Contains(err.Error(), why) {
		t.Errorf("start: %v", err)
	}
	if st, _ := f.Agent.Status().Get(); !strings.Contains(st.State, why) {
		t.Errorf("console page %+v", st)
	}
}

func TestLoginIsNeeded(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	for _, path := range []string{"/", "/metrics", "/debug/pprof/", "/api/v1/host", "/api/v1/openapi.json", "/api/v1/files", "/api/v1/files/x", "/api/v1/vms",
		"/api/v1/vms/x/console", "/api/v1/events", "/nothing", "/healthz/x"} {
		res, b := raw(t, f, "GET", path, "", "X", "y")
		if res.StatusCode != 401 || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") || len(res.Header.Values("WWW-Authenticate")) != 2 {
			t.Errorf("%s without login: %d %s", path, res.StatusCode, b)
		}
	}
	if res, b := raw(t, f, "GET", "/healthz", "", "X", "y"); res.StatusCode != 200 || res.ProtoMajor != 2 || !strings.Contains(b, `"ok"`) {
		t.Errorf("healthz: %d %s %s", res.StatusCode, res.Proto, b)
	}
	for _, h := range []string{"Bearer x", "Basic !!!", "Basic cm9vdDp4", "Digest x", "Bearer", "x"} {
		if res, _ := raw(t, f, "GET", "/api/v1/host", "", "Authorization", h); res.StatusCode != 401 && res.StatusCode != 429 {
			t.Errorf("%q: %d", h, res.StatusCode)
		}
	}
	if err := f.Client.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := f.Client.Host(t.Context()); status(err) != 401 {
		t.Errorf("after logout: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{MemoryTotal: 256 << 20}, mgmt.Config{})
	f.Put(t, "k/vmlinuz", mgmttest.BzImage)
	f.Put(t, "text", "hello")
	const boot = `"boot":{"kernel":"k/vmlinuz"}`
	for name, tc := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"unknown field":      {"POST", "/vms", `{"name":"a","cpus":1,"memoryMiB":64,"color":"red",` + boot + `}`, 422, "body.color"},
		"unknown inner":      {"POST", "/vms", `{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"k/vmlinuz","x":1}}`, 422, "boot.x"},
		"no cpus":            {"POST", "/vms", `{"name":"a","cpus":0,"memoryMiB":64,` + boot + `}`, 422, "body.cpus"},
		"10000 cpus":         {"POST", "/vms", `{"name":"a","cpus":10000,"memoryMiB":64,` + boot + `}`, 422, "10000 asked for"},
		"much memory":        {"POST", "/vms", `{"name":"a","cpus":1,"memoryMiB":100000,` + boot + `}`, 422, "100000 MiB asked for"},
		"overflow":           {"POST", "/vms", `{"name":"a","cpus":1,"memoryMiB":1e30,` + boot + `}`, 422, "memoryMiB"},
		"fraction":           {"POST", "/vms", `{"name":"a","cpus":1.5,"memoryMiB":64,` + boot + `}`, 422, "cpus"},
		"string for number":  {"POST", "/vms", `{"name":"a","cpus":"1","memoryMiB":64,` + boot + `}`, 422, "cpus"},
		"no file":            {"POST", "/vms", `{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"nope"}}`, 422, `file \"nope\": not found`},
		"not a kernel":       {"POST", "/vms", `{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"text"}}`, 422, "is not a kernel"},
		"missing boot":       {"POST", "/vms", `{"name":"a","cpus":1,"memoryMiB":64}`, 422, "boot"},
		"bad name":           {"POST", "/vms", `{"name":"a b","cpus":1,"memoryMiB":64,` + boot + `}`, 422, "name"},
		"not JSON":           {"POST", "/vms", `{"name":`, 400, ""},
		"empty":              {"POST", "/vms", ``, 400, ""},
		"array":              {"POST", "/vms", `[]`, 422, ""},
		"null":               {"POST", "/vms", `null`, 422, ""},
		"deep":               {"POST", "/vms", strings.Repeat("[", 100000), 400, ""},
		"unknown query":      {"GET", "/vms?x=1", ``, 422, "x"},
		"unknown vm":         {"GET", "/vms/vm-x", ``, 404, "not found"},
		"unknown action":     {"POST", "/vms/vm-x/actions/explode", ``, 422, "action"},
		"action on nothing":  {"POST", "/vms/vm-x/actions/start", ``, 404, ""},
		"unknown file":       {"GET", "/files/x", ``, 404, ""},
		"dots":               {"GET", "/files/a%2f..%2f..%2fx", ``, 400, ""},
		"bad path":           {"PUT", "/files/a%20b", `x`, 422, "character"},
		"double slash":       {"PUT", "/files/a%2f%2fb", `x`, 400, ""},
		"method":             {"PATCH", "/vms", ``, 405, "GET"},
		"nothing here":       {"GET", "/nothing", ``, 404, ""},
		"console not a ws":   {"GET", "/vms/vm-x/console", ``, 404, ""},
		"bad follow":         {"GET", "/events?follow=maybe", ``, 422, "follow"},
		"bad after":          {"GET", "/events?after=-1", ``, 422, "after"},
		"bad token request":  {"POST", "/tokens", `{"user":"root"}`, 422, "password"},
		"token ttl":          {"POST", "/tokens", `{"user":"root","password":"x","ttlSeconds":99999999999}`, 422, "ttlSeconds"},
		"unknown token":      {"DELETE", "/tokens/x", ``, 404, ""},
		"current of basic":   {"DELETE", "/tokens/current", ``, 404, ""},
		"delete nothing":     {"DELETE", "/vms/x", ``, 404, ""},
		"file below a file":  {"PUT", "/files/text/x", `x`, 409, "conflicts"},
		"task not there":     {"GET", "/tasks/x", ``, 404, ""},
		"unknown content":    {"POST", "/vms", `a: b`, 400, ""},
		"duplicate kernel's": {"POST", "/vms", `{"name":"a","name":"b","cpus":0,"memoryMiB":64,` + boot + `}`, 422, "cpus"},
	} {
		res, b := raw(t, f, tc.method, "/api/v1"+tc.path, tc.body)
		if res.StatusCode != tc.status || !strings.Contains(b, tc.says) {
			t.Errorf("%s: %d %s", name, res.StatusCode, b)
		}
		var p wire.Problem
		if json.Unmarshal([]byte(b), &p) != nil || p.Status != tc.status || p.Instance != "urn:basalt:request:"+res.Header.Get("X-Request-Id") ||
			res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: not a problem: %s (%s)", name, b, res.Header.Get("Content-Type"))
		}
	}
	if vms, err := f.Client.VMs(t.Context()); err != nil || len(vms) != 0 {
		t.Errorf("machines after refusals: %v, %v", vms, err)
	}
}

// TestErrorsKeepSecrets: no refusal of a login repeats the password.
func TestErrorsKeepSecrets(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	for _, body := range []string{`{"user":"root","password":"hunter2"}`, `{"user":"root","password":"hunter2","x":1}`, `{"user":"root","password":["hunter2"]}`, `"hunter2"`,
		`{"user":1,"password":"hunter2"}`, `{"password":"hunter2"}`, `{"user":"root","password":"hunter2"`, `{"user":"root","password":"` + strings.Repeat("hunter2", 200) + `"}`} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "text/plain", ""} {
			if res, b := raw(t, f, "POST", "/api/v1/tokens", body, "Content-Type", kind); res.StatusCode < 400 || strings.Contains(b, "hunter2") {
				t.Errorf("%s as %q: %d %s", body, kind, res.StatusCode, b)
			}
		}
	}
}

func TestLifeCycle(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	ctx := t.Context()
	f.Put(t, "k/vmlinuz", mgmttest.BzImage)
	res, b := raw(t, f, "POST", "/api/v1/vms", `{"name":"web","cpus":1,"memoryMiB":64,"boot":{"kernel":"k/vmlinuz","cmdline":"console=ttyS0"}}`)
	var vm wire.VM
	if json.Unmarshal([]byte(b), &vm) != nil || res.StatusCode != 201 || vm.ID == "" || res.Header.Get("Location") != "/api/v1/vms/"+vm.ID ||
		vm.KernelFormat != "bzimage" || vm.State != "off" {
		t.Fatalf("create: %d %s", res.StatusCode, b)
	}
	if _, err := f.Client.CreateVM(ctx, create()); status(err) != 409 {
		t.Errorf("same name: %v", err)
	}
	for _, s := range []struct {
		action string
		status int
		state  string
	}{{"stop", 409, "off"}, {"start", 200, "running"}, {"start", 409, "running"}, {"pause", 200, "paused"}, {"resume", 200, "running"}, {"reset", 200, "running"}} {
		_, err := f.Client.Act(ctx, vm.ID, s.action)
		got, _ := f.Client.VM(ctx, "web")
		if status(err) != s.status || got.State != s.state {
			t.Errorf("%s: %v, then %s", s.action, err, got.State)
		}
	}
	if got, _ := f.Client.VM(ctx, vm.ID); got.Exits["pio"] == 0 || got.ExitsTotal == 0 || got.MemoryUsedBytes != 64<<20 {
		t.Errorf("running: %+v", got)
	}
	if err := f.Client.DeleteVM(ctx, vm.ID); status(err) != 409 || !strings.Contains(err.Error(), "running") {
		t.Errorf("delete while running: %v", err)
	}
	log, err := f.Client.ConsoleLog(ctx, vm.ID)
	if err != nil || !strings.Contains(string(log), "console=ttyS0") {
		t.Errorf("console log %q, %v", log, err)
	}
	_, m := raw(t, f, "GET", "/metrics", "")
	for _, want := range []string{`basalt_vm_state{id="` + vm.ID + `",name="web",state="running"} 1`, `basalt_vm_exits_total{`, "basalt_host_memory_free_bytes", "go_goroutines", `basalt_api_requests_total{code="409",method="POST"}`} {
		if !strings.Contains(m, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	f.Host.Crash(vm.ID, "triple fault at rip 0x100")
	if got, _ := f.Client.VM(ctx, vm.ID); got.State != "crashed" || got.Reason != "triple fault at rip 0x100" {
		t.Errorf("crashed: %+v", got)
	}
	if err := f.Client.DeleteVM(ctx, vm.ID); err != nil {
		t.Error(err)
	}
	var kinds []string
	f.Client.Events(ctx, 0, -1, false, func(e wire.Event) error { kinds = append(kinds, e.Kind); return nil })
	all := strings.Join(kinds, " ")
	for _, want := range []string{"host.ready", "file.stored", "vm.created", "vm.start", "vm.started", "vm.crashed", "vm.deleted"} {
		if !strings.Contains(all, want) {
			t.Errorf("events lack %s: %s", want, all)
		}
	}
}

func TestStartWhileStarting(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	f.Put(t, "k/vmlinuz", mgmttest.BzImage)
	vm, err := f.Client.CreateVM(t.Context(), create())
	if err != nil {
		t.Fatal(err)
	}
	release := f.Host.Hold("start")
	res, _ := raw(t, f, "POST", "/api/v1/vms/"+vm.ID+"/actions/start", "", "Prefer", "respond-async", "Authorization", "Basic "+basic())
	if res.StatusCode != 202 || !strings.HasPrefix(res.Header.Get("Location"), "/api/v1/tasks/") {
		t.Errorf("async start: %d, %s", res.StatusCode, res.Header.Get("Location"))
	}
	if _, err := f.Client.Act(t.Context(), vm.ID, "start"); status(err) != 409 {
		t.Errorf("start while starting: %v", err)
	}
	if err := f.Client.DeleteVM(t.Context(), vm.ID); status(err) != 409 {
		t.Errorf("delete while starting: %v", err)
	}
	release()
	for {
		_, b := raw(t, f, "GET", res.Header.Get("Location"), "")
		if strings.Contains(b, `"done"`) {
			break
		}
		if !strings.Contains(b, `"running"`) {
			t.Fatalf("task: %s", b)
		}
	}
}

func TestEventsFollow(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	stop := errors.New("stop")
	last := f.Host.Events().Append(host.Event{Kind: "before"})
	go func() { f.Host.Events().Append(host.Event{Kind: "first"}) }()
	var got []wire.Event
	err := f.Client.Events(t.Context(), last, -1, true, func(e wire.Event) error {
		got = append(got, e)
		if len(got) == 3 {
			return stop
		}
		f.Host.Events().Append(host.Event{Kind: "next"})
		return nil
	})
	if err != stop || got[0].Kind != "first" || got[2].Kind != "next" || got[2].Seq != got[0].Seq+2 {
		t.Errorf("%v %v", got, err)
	}
}

// TestRevokedTokenEndsStreams: who logs a stolen token out does not leave its console
// and its events open.
func TestRevokedTokenEndsStreams(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	ctx := t.Context()
	f.Put(t, "k/vmlinuz", mgmttest.BzImage)
	vm, err := f.Client.CreateVM(ctx, create())
	if err != nil {
		t.Fatal(err)
	}
	tok, err := f.As(t, client.Options{}).Login(ctx, "root", mgmttest.Password, 0)
	if err != nil {
		t.Fatal(err)
	}
	thief := f.As(t, client.Options{Token: tok.Token})
	ws, err := thief.Console(ctx, vm.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	following, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- thief.Events(ctx, 0, 1, true, func(wire.Event) error {
			close(following)
			return nil
		})
	}()
	<-following
	if res, b := raw(t, f, "DELETE", "/api/v1/tokens/"+tok.ID, ""); res.StatusCode != 204 {
		t.Fatalf("revoke: %d %s", res.StatusCode, b)
	}
	<-ended
	for err == nil {
		_, _, err = ws.Read(ctx)
	}
	if websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the console ended with %v", err)
	}
}

func TestOpenAPI(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	res, b := raw(t, f, "GET", "/api/v1/openapi.json", "")
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(b), &doc); err != nil || res.StatusCode != 200 || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("%d %v %.200s", res.StatusCode, err, b)
	}
	for _, want := range []string{"GET /healthz", "GET /metrics", "POST /api/v1/tokens", "GET /api/v1/host", "GET /api/v1/files", "GET /api/v1/files/{path}", "PUT /api/v1/files/{path}",
		"DELETE /api/v1/files/{path}", "GET /api/v1/vms", "POST /api/v1/vms", "GET /api/v1/vms/{id}", "DELETE /api/v1/vms/{id}", "POST /api/v1/vms/{id}/actions/{action}",
		"POST /api/v1/images", "POST /api/v1/vms/{id}/disks", "PATCH /api/v1/vms/{id}/disks/{name}", "DELETE /api/v1/vms/{id}/disks/{name}",
		"POST /api/v1/vms/{id}/nics", "PATCH /api/v1/vms/{id}/nics/{name}", "DELETE /api/v1/vms/{id}/nics/{name}", "GET /api/v1/stats",
		"GET /api/v1/vms/{id}/console/log", "GET /api/v1/vms/{id}/console", "GET /api/v1/events"} {
		m, p, _ := strings.Cut(want, " ")
		if _, ok := doc.Paths[p][strings.ToLower(m)]; !ok {
			t.Errorf("%s is not documented", want)
		}
	}
	if _, ok := doc.Components.Schemas["Problem"]; !ok {
		t.Error("no schema Problem")
	}
	for i := 0; ; {
		j := strings.Index(b[i:], `"$ref":"#/components/schemas/`)
		if j < 0 {
			break
		}
		i += j + len(`"$ref":"#/components/schemas/`)
		name := b[i : i+strings.IndexByte(b[i:], '"')]
		if _, ok := doc.Components.Schemas[name]; !ok {
			t.Errorf("schema %s is referred to but not there", name)
		}
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	f.Put(t, "k/vmlinuz", mgmttest.BzImage)
	f.Client.CreateVM(t.Context(), create())
	ws, err := f.Client.Console(t.Context(), "web", 0)
	if err != nil {
		t.Fatal(err)
	}
	go f.Agent.Shutdown(context.Background())
	if _, _, err := ws.Read(t.Context()); err == nil {
		t.Error("the console goes on after a shutdown")
	}
}
