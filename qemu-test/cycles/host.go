package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/coder/websocket"

	"basalt/mgmt/client"
	"basalt/qemu-test/harness"
)

const password = "basalt-cycles"

// node is a host that answers.
type node struct {
	*harness.Running
	*client.Client
	password string        // of root
	step     time.Duration // the longest that one thing may take
}

// What one thing may take at most. A Bochs is slower than QEMU: Debian boots in it in
// about six minutes.
const (
	stepQEMU  = 5 * time.Minute
	stepBochs = 4 * stepQEMU
)

// boot starts a host that runs for limit, and as long as it takes before and after. archive,
// if it is not empty, fills its file store; on VT-x it is in debian.img already, because
// Bochs' firmware reads no file of this computer.
func boot(ctx context.Context, engine, build, archive string, limit time.Duration) (*node, error) {
	dir, err := filepath.Abs(filepath.Join(build, "cycles", engine))
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	step := stepQEMU
	if engine == "vt-x" {
		step = stepBochs
	}
	m := harness.Machine{Dir: dir, Forward: []int{443}, Limit: limit + 4*step, MemMiB: 1024}
	switch engine {
	case "amd-v":
		// One processor: see package harness, known failures.
		m.Kernel, m.Append = filepath.Join(build, "basalt.elf"), "password="+password
		if archive != "" {
			m.Extra, m.MemMiB = []string{"-initrd", archive}, 4096
		}
	case "vt-x":
		m.Emulator, m.Disk, m.MIPS = harness.Bochs, filepath.Join(build, "basalt.img"), 100
		if archive != "" {
			m.Disk, m.MemMiB = filepath.Join(build, "debian.img"), 2048
		}
	default:
		return nil, fmt.Errorf("engine %q is neither amd-v nor vt-x", engine)
	}
	r, err := m.Start(ctx)
	if err != nil {
		return nil, err
	}
	n := &node{Running: r, step: step}
	find := func(pattern string) (s string) {
		if err == nil {
			var g []string
			if g, err = r.WaitFor(ctx, pattern); err == nil && len(g) > 1 {
				return g[1]
			}
		}
		return ""
	}
	print, pass := find(`certificate SHA-256 ([0-9A-F:]{95})`), password
	if m.Kernel == "" {
		pass = find(`password of root for this boot: ([^" ]+)"`)
	}
	find(`msg=ready`)
	n.password = pass
	if err == nil {
		n.Client, err = client.New(client.Options{Address: fmt.Sprintf("127.0.0.1:%d", r.Ports[0]), Fingerprint: print, User: "root", Password: pass})
	}
	if err != nil {
		r.Stop()
		return nil, err
	}
	return n, nil
}

// evidence keeps what every machine has said on its console, and what the host knows of it.
func (n *node) evidence(build, engine string) {
	ctx, cancel := context.WithTimeout(context.Background(), n.step)
	defer cancel()
	vms, err := n.VMs(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cycles: no evidence:", err)
		return
	}
	for _, vm := range vms {
		log, err := n.ConsoleLog(ctx, vm.ID)
		about, _ := json.MarshalIndent(vm, "", "  ") // a wire.VM is data
		path := filepath.Join(build, "cycles", engine, vm.Name+".log")
		if err = errors.Join(err, os.WriteFile(path, append(append(about, '\n'), log...), 0o644)); err != nil {
			fmt.Fprintf(os.Stderr, "cycles: no evidence of %s: %v\n", vm.Name, err)
			continue
		}
		fmt.Fprintf(os.Stderr, "the console of %s is in %s\n", vm.Name, path)
	}
}

// put uploads bytes.
func (n *node) put(ctx context.Context, path string, b []byte) error {
	_, err := n.PutFile(ctx, path, strings.NewReader(string(b)), int64(len(b)), false)
	return err
}

// terminal is an attached console.
type terminal struct {
	ws   *websocket.Conn
	seen []byte        // not matched yet
	step time.Duration // as the host's
}

// console attaches to a machine's console; backlog is how much of the past counts.
func (n *node) console(ctx context.Context, id string, backlog int) (*terminal, error) {
	ws, err := n.Console(ctx, id, backlog)
	return &terminal{ws: ws, step: n.step}, err
}

func (c *terminal) close() {
	if c != nil && c.ws != nil {
		c.ws.CloseNow()
	}
}

// expect waits for a pattern after the last match, and gives its groups.
func (c *terminal) expect(ctx context.Context, limit time.Duration, pattern string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	re := regexp.MustCompile(pattern)
	for {
		if m := re.FindSubmatch(c.seen); m != nil {
			c.seen = c.seen[re.FindIndex(c.seen)[1]:]
			var out []string
			for _, g := range m {
				out = append(out, string(g))
			}
			return out, nil
		}
		_, r, err := c.ws.Reader(ctx)
		var b []byte
		if err == nil {
			b, err = io.ReadAll(r)
		}
		if err != nil {
			return nil, fmt.Errorf("waiting for %q: %w; the console ends with %q", pattern, err, c.seen[max(0, len(c.seen)-400):])
		}
		c.seen = append(c.seen, b...)
	}
}

func (c *terminal) send(ctx context.Context, line string) error {
	return c.ws.Write(ctx, websocket.MessageBinary, []byte(line+"\r"))
}
