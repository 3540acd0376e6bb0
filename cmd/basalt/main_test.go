package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"basalt/mgmt"
	"basalt/mgmt/mgmttest"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// TestMain makes the test binary the client itself when a test asks for that.
func TestMain(m *testing.M) {
	if os.Getenv("BASALT_TEST_CLIENT") != "" {
		main()
	}
	os.Exit(m.Run())
}

// tool runs the client as a process of its own.
type tool struct {
	t   *testing.T
	dir string
	env []string
}

func newTool(t *testing.T) *tool {
	return &tool{t: t, dir: t.TempDir()}
}

type result struct {
	code     int
	out, err string
}

func (c *tool) run(stdin string, args ...string) result {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "BASALT_TEST_CLIENT=1", "BASALT_CONFIG="+filepath.Join(c.dir, "conf", "config.json"))
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		c.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// expect runs the client and checks exit code and what it says; texts beginning
// with '!' must not appear. Everything on both streams counts.
func (c *tool) expect(code int, stdin string, args []string, says ...string) result {
	c.t.Helper()
	r := c.run(stdin, args...)
	if r.code != code {
		c.t.Errorf("basalt %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	for _, s := range says {
		if not := strings.HasPrefix(s, "!"); strings.Contains(r.out+r.err, strings.TrimPrefix(s, "!")) == not {
			c.t.Errorf("basalt %s: %q expected in\n%s%s", strings.Join(args, " "), s, r.out, r.err)
		}
	}
	return r
}

func words(s string) []string { return strings.Fields(s) }

func (c *tool) write(name, content string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func TestEveryCommand(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{Hostname: "host1", MemoryTotal: 512 << 20}, mgmt.Config{})
	c := newTool(t)
	c.write("vmlinuz", mgmttest.BzImage)
	c.write("initrd", strings.Repeat("i", 3<<20))
	c.write("pw", mgmttest.Password+"\n")
	login := func(more ...string) []string { return append([]string{"login", f.Addr}, more...) }

	// Logins.
	c.expect(exitLogin, "", words("host"), "no host yet", "basalt login")
	c.expect(exitLogin, "", login("--password-file", "pw"), f.Agent.Fingerprint(), "not trusted")
	c.expect(exitLogin, "wrong\n", login("--password-stdin", "--trust"), "wrong user name, password or token")
	c.expect(exitLogin, "", login("--password-file", "pw", "--fingerprint", strings.Repeat("00", 32)), "another fingerprint")
	c.expect(exitUsage, "", login("--password-file", "pw", "--fingerprint", "xyz"), "64 hexadecimal digits")
	c.expect(exitUsage, "", login("--trust"), "no terminal to ask")
	c.expect(exitNotFound, "", login("--trust", "--password-file", "none"), "none")
	c.expect(exitUsage, "", words("login"), "accepts 1 arg")
	c.expect(exitUnreachable, "", words("login 127.0.0.1:1 --trust --password-file pw"), "refused")
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // as a host with too many connections
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	go func() {
		for {
			n, err := deaf.Accept()
			if err != nil {
				return
			}
			n.Read(make([]byte, 4096)) // else the end is a reset
			n.Close()
		}
	}()
	c.expect(exitUnreachable, "", words("login "+deaf.Addr().String()+" --trust --password-file pw"), deaf.Addr().String(), "closed the connection")
	c.expect(exitOK, "", login("--password-file", "pw", "--fingerprint", strings.ToLower(strings.ReplaceAll(f.Agent.Fingerprint(), ":", ""))), "Logged in to host1")
	c.expect(exitOK, mgmttest.Password, login("--password-stdin"), "Logged in to host1") // trusted by now
	if st, err := os.Stat(filepath.Join(c.dir, "conf", "config.json")); err != nil || runtime.GOOS != "windows" && st.Mode() != fs.FileMode(0o600) {
		t.Errorf("configuration: %v %v", st, err)
	}

	// Host.
	c.expect(exitOK, "", words("host"), "amd-v", "4 x Fake CPU", "512.0 MiB", "smt: turn it off", "!mds", f.Agent.Fingerprint())
	var h wire.Host
	if r := c.run("", "host", "--json"); json.Unmarshal([]byte(r.out), &h) != nil || h.Name != "host1" || h.CPUs != 4 ||
		len(h.Leaks) != 2 || h.Leaks[0] != (wire.Leak{Name: "mds", State: "VERW before each entry"}) || !h.Leaks[1].Open {
		t.Errorf("host --json: %s", r.out)
	}
	c.expect(exitOK, "", []string{"host", "--host", f.Addr}, "host1")
	c.expect(exitNotFound, "", words("host --host nobody"), `"nobody" is not known`)

	// Files.
	c.expect(exitOK, "", words("file put vmlinuz"), "vmlinuz: 618 bytes")
	c.expect(exitOK, "", words("file put initrd debian/"), "debian/initrd: 3145728 bytes")
	c.expect(exitOK, "hello", words("file put - text"), "text: 5 bytes")
	c.expect(exitConflict, "hello", words("file put - text --new"), "already exists")
	c.expect(exitUsage, "hello", words("file put -"), "needs a PATH")
	c.expect(exitUsage, "hello", []string{"file", "put", "-", "a b"}, "not a valid path")
	c.expect(exitUsage, "", words("file put . x"), "not a regular file")
	c.expect(exitNotFound, "", words("file put nothere"), "nothere")
	huge, _ := os.Create(filepath.Join(c.dir, "huge"))
	huge.Truncate(10 << 30)
	huge.Close()
	c.expect(exitNoRoom, "", words("file put huge"), "does not fit", "bytes are free")
	c.expect(exitOK, "", words("file ls"), "PATH", "debian/initrd", "3.0 MiB", "free", "!huge")
	c.expect(exitOK, "", words("file ls deb --quiet"), "debian/initrd", "!text", "!free")
	c.expect(exitOK, "", words("file get text -"), "hello")
	c.expect(exitOK, "", words("file get debian/initrd copy"))
	if b, err := os.ReadFile(filepath.Join(c.dir, "copy")); err != nil || len(b) != 3<<20 {
		t.Errorf("downloaded %d bytes, %v", len(b), err)
	}
	c.expect(exitNotFound, "", words("file get nothing"), "not found")
	c.expect(exitOK, "", words("file cp debian/initrd i.img"), "i.img: 3145728 bytes")
	c.expect(exitConflict, "", words("file cp text i.img"), "already exists")
	c.expect(exitOK, "", words("file cp text i.img --replace --json"), `"path": "i.img"`, `"bytes": 5`)
	c.expect(exitOK, "", words("file cp debian/initrd copies/"), "copies/initrd: 3145728 bytes")
	c.expect(exitConflict, "", words("file cp text text"), "copy of itself")
	c.expect(exitNotFound, "", words("file cp nothing x"), "not found")
	c.expect(exitUsage, "", words("file cp text ../x"), "not a valid path")
	c.expect(exitUsage, "", words("file cp text"), "accepts 2 arg")
	c.expect(exitOK, "", []string{"__complete", "file", "cp", "i"}, "i.img")
	c.expect(exitOK, "", words("file rm i.img copies/initrd"))
	c.expect(exitNotFound, "", words("file rm nothing text --json"), "nothing", `"removed": [`, `"text"`)
	c.expect(exitOK, "", words("file ls"), "!text")

	// Machines.
	r := c.expect(exitOK, "", []string{"vm", "create", "web", "--memory", "64", "--kernel", "vmlinuz", "--initrd", "debian/initrd", "--cmdline", "console=ttyS0 quiet"}, "vm-")
	id := strings.TrimSpace(r.out)
	c.expect(exitConflict, "", words("vm create web --kernel vmlinuz"), "already exists")
	c.expect(exitUsage, "", words("vm create x"), `"kernel" not set`)
	c.expect(exitUsage, "", words("vm create x --kernel vmlinuz --cpus 0"), "cpus")
	c.expect(exitUsage, "", words("vm create x --kernel vmlinuz --cpus 10000"), "10000 asked for")
	c.expect(exitUsage, "", words("vm create x --kernel vmlinuz --memory 900G"), "921600 MiB asked for")
	c.expect(exitUsage, "", words("vm create x --kernel vmlinuz --memory lots"), "not a number of MiB")
	c.expect(exitUsage, "", words("vm create x --kernel vmlinuz --memory ɐ"), "not a number of MiB") // upper case is longer
	c.expect(exitUsage, "", words("vm create x --memory 64 --kernel debian/initrd"), "is not a kernel")
	c.expect(exitUsage, "", words("vm create x --kernel nope"), "not found")
	c.expect(exitOK, "", words("vm ls"), "web", "off", "64 MiB")
	c.expect(exitConflict, "", words("vm stop web"), "cannot stop a virtual machine that is off")
	c.expect(exitOK, "", words("vm start web"), "web", "running")
	c.expect(exitConflict, "", words("vm start web"), "that is running")
	c.expect(exitConflict, "", words("vm rm web"), "that is running")
	c.expect(exitOK, "", words("vm pause web"), "paused")
	c.expect(exitOK, "", words("vm resume web"), "running")
	c.expect(exitOK, "", words("vm reset "+id), "running")
	c.expect(exitOK, "", words("vm show web"), id, "bzimage", "console=ttyS0 quiet", "Exits")
	var vm wire.VM
	if r := c.run("", "vm", "show", id, "--json"); json.Unmarshal([]byte(r.out), &vm) != nil || vm.State != "running" || vm.Name != "web" {
		t.Errorf("vm show --json: %s", r.out)
	}
	c.expect(exitOK, "", words("vm log web"), "fake guest: bzimage", "reset")
	c.expect(exitOK, "uname\n", words("vm console web --backlog 0 --until uname --wait 30s"), "uname", "!fake guest")
	c.expect(exitOK, "date\n", words("vm console web --linger 3s"), "fake guest: bzimage", "date")
	c.expect(exitTimeout, "", words("vm console web --until never --wait 300ms"), `did not write "never"`)
	c.expect(exitNotFound, "", words("vm console nothing"), "not found")
	c.expect(exitOK, "", words("vm wait web --state running"), "running")
	c.expect(exitTimeout, "", words("vm wait web --state off --wait 200ms"), "did not become off")
	f.Host.Crash(id, "triple fault")
	c.expect(exitFailure, "", words("vm wait web --state off"), "triple fault")
	c.expect(exitOK, "", words("vm show web"), "crashed: triple fault")
	c.expect(exitOK, "", words("vm start web --console --quiet"), "running", "fake guest")
	c.expect(exitOK, "", words("vm rm --force web --json"), `"removed": [`, `"web"`)
	c.expect(exitNotFound, "", words("vm show web"), "not found")
	c.expect(exitOK, "", words("vm create two --kernel vmlinuz --memory 64 --start --json"), `"state": "running"`)
	c.expect(exitNotFound, "", words("vm stop two none"), "none", "two")

	// Events, errors as JSON, version, help, completion.
	c.expect(exitOK, "", words("events"), "vm.crashed", "triple fault", "login.failed")
	c.expect(exitOK, "", words("events --tail 1 --json"), `"kind":"vm.stop`, "!crashed")
	var e struct {
		ExitCode int
		Problem  wire.Problem
	}
	if r := c.run("", "vm", "show", "none", "--json"); json.Unmarshal([]byte(r.err), &e) != nil || e.ExitCode != exitNotFound || e.Problem.Status != 404 || r.out != "" {
		t.Errorf("error as JSON: %s", r.err)
	}
	c.expect(exitOK, "", words("version"), "basalt dev")
	c.expect(exitOK, "", words("version --json"), `"version": "dev"`)
	c.expect(exitUsage, "", words("explode"), "unknown command")
	c.expect(exitUsage, "", words("host --nonsense"), "unknown flag")
	for _, sh := range words("bash zsh fish") {
		c.expect(exitOK, "", []string{"completion", sh}, "basalt")
	}
	c.expect(exitOK, "", []string{"__complete", "vm", "start", ""}, "two\toff")
	c.expect(exitOK, "", []string{"__complete", "vm", "create", "x", "--kernel", "v"}, "vmlinuz")

	// A new certificate, an expired login, logout.
	c.env = []string{"BASALT_PASSWORD=" + mgmttest.Password}
	other := mgmttest.Start(t, fakehost.Options{Hostname: "host1"}, mgmt.Config{})
	c.expect(exitOK, "", words("login "+other.Addr+" --trust"), "Logged in to "+other.Addr) // another host of the same name
	c.expect(exitOK, "", words("logout --forget"))
	c.expect(exitLogin, "", words("vm ls"), "no host yet")
	c.expect(exitOK, "", words("logout --host host1 --json"), `"name": "host1"`)
	c.expect(exitLogin, "", words("vm ls --host host1"), "not logged in")
	conf := filepath.Join(c.dir, "conf", "config.json")
	b, _ := os.ReadFile(conf)
	os.WriteFile(conf, bytes.ReplaceAll(b, []byte(f.Agent.Fingerprint()), []byte(other.Agent.Fingerprint())), 0o600)
	c.expect(exitLogin, "", login(), "another fingerprint", "console page")
	os.WriteFile(conf, []byte("{"), 0o600)
	c.expect(exitFailure, "", words("host"), "config.json")
	c.env = []string{"BASALT_HOST=" + f.Addr, "BASALT_FINGERPRINT=" + f.Agent.Fingerprint(), "BASALT_TOKEN=bslt_x"}
	c.expect(exitLogin, "", words("host"), "wrong user name, password or token")
}

func TestFindHost(t *testing.T) {
	c := &config{Hosts: map[string]*hostConf{"one": {Address: "192.0.2.1:443"}, "two": {Address: "[2001:db8::1]:443"}, "three": {Address: "192.0.2.1:8443"}}}
	for in, want := range map[string]string{"one": "one", "192.0.2.1": "one", "192.0.2.1:443": "one", "https://192.0.2.1/": "one",
		"192.0.2.1:8443": "three", "2001:db8::1": "two", "192.0.2.2": "", "a/b": ""} {
		if name, _, err := c.find(in); name != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", in, name, err)
		}
	}
}

// TestHelp holds every command to a text of its own, examples included.
func TestHelp(t *testing.T) {
	c := newTool(t)
	for _, cmd := range []string{"", "login", "logout", "host", "file", "file put", "file get", "file cp", "file ls", "file rm", "vm", "vm create", "vm ls", "vm show", "vm start",
		"vm stop", "vm reset", "vm pause", "vm resume", "vm wait", "vm console", "vm log", "vm rm", "vm shutdown", "vm nmi", "vm top", "vm disk", "vm disk add", "vm disk remove", "vm disk resize", "vm disk list",
		"vm nic", "vm nic add", "vm nic remove", "vm nic list", "vm nic link", "file create", "events", "version", "completion"} {
		r := c.expect(exitOK, "", append(words(cmd), "--help"), "Usage:", "--json")
		if len(r.out) < 300 {
			t.Errorf("help of %q is thin:\n%s", cmd, r.out)
		}
		if leaf := strings.Contains(cmd, " ") && cmd != "vm disk" && cmd != "vm nic" || strings.HasPrefix(cmd, "log") || cmd == "host" || cmd == "events"; leaf && !strings.Contains(r.out, "Examples:") {
			t.Errorf("help of %q has no example", cmd)
		}
	}
	c.expect(exitOK, "", words("--help"), "Exit codes:", "BASALT_CONFIG")
}

func TestFollow(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{Password: "x"})
	var out, errs syncBuffer
	t.Setenv("BASALT_CONFIG", filepath.Join(t.TempDir(), "c.json"))
	t.Setenv("BASALT_PASSWORD", "x")
	a := &app{in: strings.NewReader(""), out: &out, err: &errs}
	if code := a.run(t.Context(), []string{"login", f.Addr, "--trust"}); code != 0 {
		t.Fatal(errs.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() { done <- a.run(ctx, words("events --follow --tail 0")) }()
	out.onWrite(func(s string) {
		if strings.Contains(s, "the first") {
			cancel()
		}
	})
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				f.Host.Events().Append(host.Event{Kind: "test", User: "a\x1b[2J", Message: "the first\x1b[31m"}) // anybody may claim a user
				runtime.Gosched()
			}
		}
	}()
	if code := <-done; code != 0 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("exit code %d after an interrupt: %s", code, errs.String())
	}
	close(stop)
}
