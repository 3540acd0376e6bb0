package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"basalt/mgmt/auth"
	"basalt/mgmt/cert"
	"basalt/mgmt/files"
	"basalt/mgmt/inventory"
	"basalt/mgmt/metrics"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

var fixture = sync.OnceValues(func() (*Server, string) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 256 << 20})
	f := files.New(h.Memory(), 0, nil)
	kernel := "\x7fELF"
	f.Put("k", strings.NewReader(kernel), int64(len(kernel)), false)
	f.Create("d", 1<<20)
	a := auth.New(auth.Config{Password: "x"})
	tasks := task.New(nil)
	inv := inventory.New(h, f, tasks, nil)
	crt, err := cert.NewKeeper("h", func() []netip.Addr { return nil }, time.Now)
	if err != nil {
		panic(err)
	}
	secret, _ := a.Issue(auth.User, remote(httptest.NewRequest("GET", "/", nil)), time.Hour)
	return New(Config{Host: h, Inventory: inv, Files: f, Tasks: tasks, Auth: a, Metrics: metrics.New(h, inv, f, a), Cert: crt, Log: slog.New(slog.DiscardHandler)}), secret
})

// answer sends a request to the whole chain and checks what every answer has to be.
func answer(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	s, secret := fixture()
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code >= 500 && w.Code != 503 && w.Code != 507 {
		t.Errorf("%s %q: %d %s", r.Method, r.URL, w.Code, w.Body)
	}
	if w.Code >= 400 {
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || w.Body.Len() > 64<<10 {
			t.Errorf("%s %q: %d is not a problem: %.300s", r.Method, r.URL, w.Code, w.Body)
		}
	}
	return w
}

func FuzzCreateVM(f *testing.F) {
	for _, s := range []string{
		`{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"k","cmdline":"x","modules":["k a"]}}`,
		`{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"k"},"disks":[{"kind":"image","image":"d"},{"kind":"ram","sizeMiB":1}],"nics":[{"network":"nat","mac":"52:54:00:00:00:01"}],"cpuLevel":"host"}`,
		`{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"k"},"disks":[{"kind":"null","sizeMiB":99999999999}],"nics":[{"network":"","vlan":-1}]}`,
		`{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"k"},"cpu":{"shares":5,"reservation":100,"limit":200,"pool":"host"}}`,
		`{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"k"},"cpu":{"reservation":63999,"pool":"none"}}`,
		`{"name":"a","cpus":1,"memoryMiB":64,"boot":{"kernel":"k"},"consoles":[{"name":"tty","terminal":true},{"name":"a.b"},{"name":"\u00e9"}]}`,
		`{"name":"a","cpus":1e9,"memoryMiB":-1,"boot":{"kernel":"../k"}}`, `{"name":null}`, `[]`, `{`, `{"boot":{"modules":[1]}}`, `{"a":{"a":{"a":[{}]}}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/api/v1/vms", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if w := answer(t, r); w.Code == 201 {
			r := httptest.NewRequest("DELETE", w.Header().Get("Location"), nil)
			if w := answer(t, r); w.Code != 204 {
				t.Errorf("delete: %d %s", w.Code, w.Body)
			}
		}
	})
}

// FuzzPools throws bodies at the routes of resource pools and of machines' parts.
func FuzzPools(f *testing.F) {
	f.Add("POST", "pools", `{"name":"p","reservation":100}`)
	f.Add("POST", "pools", `{"name":"p","parent":"none","shares":-1}`)
	f.Add("PUT", "pools/p", `{"limit":1e9}`)
	f.Add("PUT", "pools/host", `{}`)
	f.Add("DELETE", "pools/p", ``)
	f.Add("PUT", "vms/dev/cpu", `{"pool":"host"}`)
	f.Add("PUT", "vms/dev/cpus", `{"cpus":2}`)
	f.Add("PUT", "vms/dev/memory", `{"memoryMiB":136}`)
	f.Add("PUT", "vms/dev/memory-target", `{"mib":-1}`)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		one := path == "vms/dev/cpu" || path == "vms/dev/cpus" || path == "vms/dev/memory" || path == "vms/dev/memory-target"
		if !strings.HasPrefix(path, "pools") && !one {
			return
		}
		if one {
			s, _ := fixture()
			vm, err := s.Inventory.Create(inventory.Spec{Name: "dev", CPUs: 1, MemoryMiB: 8, MaxMemoryMiB: 264, Boot: inventory.Boot{Kernel: "k"}}, "root")
			if err != nil {
				t.Fatal(err)
			}
			act := func(a inventory.Action) {
				tk, err := s.Inventory.Act(vm.ID, a, "root")
				if err == nil {
					err = tk.Wait(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			act(inventory.Start)
			defer func() {
				act(inventory.Stop)
				if err := s.Inventory.Delete(t.Context(), vm.ID, "root"); err != nil {
					t.Error(err)
				}
			}()
		}
		r, err := http.NewRequest(method, "https://h/api/v1/"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1"
		r.Header.Set("Content-Type", "application/json")
		if w := answer(t, r); w.Code == 201 {
			r := httptest.NewRequest("DELETE", w.Header().Get("Location"), nil)
			if w := answer(t, r); w.Code != 204 {
				t.Errorf("remove: %d %s", w.Code, w.Body)
			}
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/api/v1/files/a", "/api/v1/files/../x", "//", "/api/v1/vms//x", "/api/v1/vms/%00/console/log", "*", "/debug/pprof/x", "/api/v1/events?after=x&tail=9999999999999999999"} {
		f.Add("GET", s)
		f.Add("DELETE", s)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		if strings.Contains(target, "follow") || strings.Contains(target, "capture") || strings.Contains(target, "pprof/") {
			return // streams and profiles take their time
		}
		r, err := http.NewRequest(method, "https://h/", http.NoBody)
		if err != nil {
			return
		}
		u, err := r.URL.Parse(target)
		if err != nil {
			return
		}
		r.URL, r.RequestURI, r.RemoteAddr = u, target, "192.0.2.1:1"
		answer(t, r)
	})
}

func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{"Basic cm9vdDp5", "Bearer bslt_", "basic", "Bearer\t", "Basic cm9vdA=="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, h string) {
		_, secret := fixture()
		if h == "" || strings.Contains(h, secret) || strings.Contains(strings.ToLower(h), "cm9vddp4") {
			return
		}
		r := httptest.NewRequest("GET", "/api/v1/host", nil)
		r.Header["Authorization"] = []string{h}
		if w := answer(t, r); w.Code == 200 {
			t.Errorf("%q was let in", h)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add(`{"user":"root","password":"y"}`)
	f.Add(`{"user":"root","password":"x","ttlSeconds":1e40}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/api/v1/tokens", strings.NewReader(body))
		if w := answer(t, r); w.Code == 201 && !strings.Contains(body, "x") && !strings.Contains(body, `\u`) {
			t.Errorf("%q gave a token", body)
		}
	})
}

// FuzzDevices throws bodies at the routes of a machine's devices, off and running.
func FuzzDevices(f *testing.F) {
	f.Add("POST", "disks", "", `{"kind":"image","image":"d","readOnly":true}`, true)
	f.Add("POST", "disks", "", `{"kind":"ram","sizeMiB":1,"name":"x"}`, false)
	f.Add("PATCH", "disks", "/disk0", `{"bytes":1048576,"cut":true}`, true)
	f.Add("PATCH", "disks", "/disk0", `{"bytes":9223372036854775807}`, false)
	f.Add("DELETE", "disks", "/disk0?force=true", ``, true)
	f.Add("POST", "nics", "", `{"network":"lab","mac":"52:54:00:00:00:02","vlan":1}`, true)
	f.Add("PATCH", "nics", "/nic0", `{"linkUp":false}`, true)
	f.Add("DELETE", "nics", "/nic0?force=x", ``, false)
	f.Add("PUT", "nics", "/nic0/forwards", `{"forwards":[{"protocol":"tcp","hostPort":2222,"guestPort":22}]}`, true)
	f.Add("PUT", "nics", "/nic0/forwards", `{"forwards":[{"protocol":"udp","hostPort":70000,"guestPort":-1},null]}`, false)
	f.Fuzz(func(t *testing.T, method, kind, rest, body string, running bool) {
		if kind != "disks" && kind != "nics" {
			return
		}
		r, err := http.NewRequest(method, "https://h/api/v1/vms/dev/"+kind+rest, strings.NewReader(body))
		if err != nil || !strings.HasPrefix(r.URL.Path, "/api/v1/vms/dev/"+kind) {
			return
		}
		s, _ := fixture()
		spec := inventory.Spec{Name: "dev", CPUs: 1, MemoryMiB: 8, Boot: inventory.Boot{Kernel: "k"},
			Disks: []host.DiskConfig{{Kind: host.DiskRAM, SizeMiB: 4}}, NICs: []host.NICConfig{{Network: "nat"}}}
		vm, err := s.Inventory.Create(spec, "root")
		if err != nil {
			t.Fatal(err)
		}
		if running {
			tk, err := s.Inventory.Act(vm.ID, inventory.Start, "root")
			if err == nil {
				err = tk.Wait(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr = "192.0.2.1:1"
		answer(t, r)
		if running {
			answer(t, httptest.NewRequest("POST", "/api/v1/vms/dev/actions/stop", nil))
		}
		if err := s.Inventory.Delete(t.Context(), vm.ID, "root"); err != nil {
			t.Error(err)
		}
		if l := s.Files.List("d"); len(l) != 1 || len(l[0].Users) != 0 {
			t.Errorf("the image is held or gone: %+v", l)
		}
	})
}

// FuzzCapture asks for captures of ports that are there or not, and leaves at once.
func FuzzCapture(f *testing.F) {
	f.Add("nat", "port=dev/nic0&snap=64")
	f.Add("nat", "port=&snap=1e9")
	f.Add("../x", "snap=13&port=%00")
	f.Fuzz(func(t *testing.T, network, query string) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/networks/"+url.PathEscape(network)+"/capture", nil)
		r.URL.RawQuery = query
		answer(t, r)
	})
}

// bodies are the operations that take a body, and who throws bodies at them.
var bodies = map[string]string{
	"create-vm": "FuzzCreateVM", "create-token": "FuzzToken", "create-image": "FuzzImage", "copy-file": "FuzzCopy",
	"attach-disk": "FuzzDevices", "resize-disk": "FuzzDevices", "attach-nic": "FuzzDevices", "set-link": "FuzzDevices", "set-forwards": "FuzzDevices",
	"set-cpus": "FuzzPools", "set-memory": "FuzzPools", "set-memory-target": "FuzzPools", "create-pool": "FuzzPools", "set-pool": "FuzzPools", "set-cpu": "FuzzPools",
	"suspend-vm": "FuzzState", "clone-vm": "FuzzState", "restore-vm": "FuzzState",
	"put-file": "bytes as they are, no decoder; its path is FuzzPath's",
}

// TestBodiesAreFuzzed finds a body that nobody throws things at.
func TestBodiesAreFuzzed(t *testing.T) {
	w := answer(t, httptest.NewRequest("GET", "/api/v1/openapi.json", nil))
	var spec struct {
		Paths map[string]map[string]struct {
			OperationID string
			RequestBody any
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &spec); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for path, ops := range spec.Paths {
		for method, op := range ops {
			if op.RequestBody == nil {
				continue
			}
			found[op.OperationID] = true
			if bodies[op.OperationID] == "" {
				t.Errorf("%s %s (%s) takes a body that no fuzz target makes", method, path, op.OperationID)
			}
		}
	}
	for id := range bodies {
		if !found[id] {
			t.Errorf("%s takes no body", id)
		}
	}
}

// FuzzImage throws bodies at the route that makes images.
func FuzzImage(f *testing.F) {
	f.Add(`{"path":"a/b.img","bytes":1073741824}`)
	f.Add(`{"path":"../x","bytes":1}`)
	f.Add(`{"path":"k","bytes":1e30}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/api/v1/images", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		s, _ := fixture()
		before := s.Files.Free()
		w := answer(t, r)
		if s.Files.Free() != before {
			t.Errorf("%q took memory", body)
		}
		if w.Code == 201 {
			if w := answer(t, httptest.NewRequest("DELETE", w.Header().Get("Location"), nil)); w.Code != 204 {
				t.Errorf("delete: %d %s", w.Code, w.Body)
			}
		}
	})
}

// FuzzCopy throws bodies at the route that copies files: one that is there, an image, one
// that is a machine's disk.
func FuzzCopy(f *testing.F) {
	f.Add(`{"from":"copy/text","to":"copy/b"}`)
	f.Add(`{"from":"copy/text","to":"copy/text","replace":true}`)
	f.Add(`{"from":"copy/image","to":"copy/text","replace":true}`)
	f.Add(`{"from":"copy/text","to":"copy/disk","replace":true}`)
	f.Add(`{"from":"copy/disk","to":"/copy/b"}`)
	f.Add(`{"from":"copy/image","to":"copy/image/b/"}`)
	f.Add(`{"from":"nope","to":"a\u0000b"}`)
	f.Add(`{"from":"../copy/text","to":"..","replace":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		s, _ := fixture()
		before, free := len(s.Files.List("")), s.Files.Free()
		put := func(path, text string) {
			if _, _, err := s.Files.Put(path, strings.NewReader(text), int64(len(text)), false); err != nil {
				t.Fatal(err)
			}
		}
		put("copy/text", "text")
		put("copy/image", strings.Repeat("i", 70<<10))
		put("copy/disk", strings.Repeat("d", 70<<10))
		d, err := s.Files.OpenDisk("copy/disk", "disk0", "web", false)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/api/v1/copies", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := answer(t, r)
		if w.Code == 201 {
			if w := answer(t, httptest.NewRequest("DELETE", w.Header().Get("Location"), nil)); w.Code != 204 {
				t.Errorf("delete: %d %s", w.Code, w.Body)
			}
			put("k", "\x7fELF") // what other targets count on, if it was replaced
			if len(s.Files.List("d")) == 0 {
				s.Files.Create("d", 1<<20)
			}
		}
		if info := s.Files.List("copy/disk"); len(info) != 1 || len(info[0].Users) != 1 {
			t.Errorf("%q over a disk that is in use: %+v", body, info)
		}
		d.Close()
		for _, p := range []string{"copy/text", "copy/image", "copy/disk"} {
			if err := s.Files.Remove(p); err != nil && w.Code != 201 {
				t.Error(err)
			}
		}
		if now := len(s.Files.List("")); now != before || s.Files.Free() != free {
			t.Errorf("%q (%d) left %d files, %d before; %d bytes free, %d before", body, w.Code, now, before, s.Files.Free(), free)
		}
	})
}

// FuzzState throws bodies at the routes of saved states, with a machine that runs and
// a file that is whatever.
func FuzzState(f *testing.F) {
	f.Add("vms/st/suspend", `{"file":"st.state","replace":true}`, []byte("x"))
	f.Add("vms/st/suspend", `{"file":"../x"}`, []byte{})
	f.Add("vms/st/clone", `{"name":"twin","nics":"none"}`, []byte{})
	f.Add("vms/st/clone", `{"name":"st"}`, []byte{})
	f.Add("restore", `{"file":"s","name":"other","nics":"new","images":{"disk0":"d"},"boot":{"kernel":"k"},"paused":true}`, []byte("\x89Basalt\n\x01\x00\x00\x00"))
	f.Add("restore", `{"file":"s","images":{"":""}}`, []byte("text"))
	f.Fuzz(func(t *testing.T, route, body string, file []byte) {
		if route != "restore" && route != "vms/st/suspend" && route != "vms/st/clone" {
			return
		}
		s, _ := fixture()
		before := len(s.Files.List(""))
		_, err := s.Inventory.Create(inventory.Spec{Name: "st", CPUs: 1, MemoryMiB: 8, Boot: inventory.Boot{Kernel: "k"}}, "root")
		if err != nil {
			t.Fatal(err)
		}
		answer(t, httptest.NewRequest("POST", "/api/v1/vms/st/actions/start", nil))
		if _, _, err := s.Files.Put("s", strings.NewReader(string(file)), int64(len(file)), false); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/api/v1/"+route, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		answer(t, r)
		for _, v := range s.Inventory.List() {
			answer(t, httptest.NewRequest("POST", "/api/v1/vms/"+v.ID+"/actions/stop", nil))
			if err := s.Inventory.Delete(t.Context(), v.ID, "root"); err != nil {
				t.Error(err)
			}
		}
		// A machine that was suspended into the file took that with it.
		if err := s.Files.Remove("s"); err != nil && !(route == "vms/st/suspend" && errors.Is(err, host.ErrNotFound)) {
			t.Error(err)
		}
		if l := s.Files.List(""); len(l) != before {
			t.Errorf("%d files, %d before: %+v", len(l), before, l)
		}

	})
}
