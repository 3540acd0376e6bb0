package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"basalt/qemu-test/artefacts"
	"basalt/qemu-test/harness"
)

func main() {
	script := flag.Bool("script", false, "ask the guest for its kernel's name instead of attaching the terminal")
	cpus := flag.Int("cpus", 2, "processors of the host")
	mem := flag.Int("mem", 1024, "memory of the host in MiB")
	limit := flag.Duration("limit", 12*time.Hour, "longest run")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "demo: unexpected argument", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{build: "build", cpus: *cpus, mem: *mem, limit: *limit}
	if err := d.run(ctx, *script); err != nil {
		fmt.Fprintln(os.Stderr, "\nmake run:", err)
		d.explain()
		os.Exit(1)
	}
}

type demo struct {
	build     string
	cpus, mem int
	limit     time.Duration
	host      *harness.Running
}

// step says what happens now and how long it took.
func step[T any](name string, f func() (T, error)) (T, error) {
	fmt.Printf("%-58s", name+" ...")
	start := time.Now()
	v, err := f()
	if err != nil {
		fmt.Println(" failed")
		return v, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf(" done (%.1f s)\n", time.Since(start).Seconds())
	return v, nil
}

func (d *demo) run(ctx context.Context, script bool) error {
	kernel, err := step("Fetch a Debian cloud kernel", func() (string, error) { return artefacts.Kernel(ctx, filepath.Join(d.build, "guests")) })
	if err != nil {
		return err
	}
	modules, err := step("Fetch its modules for the network", func() (string, error) { return artefacts.NetworkModules(ctx, filepath.Join(d.build, "guests")) })
	if err != nil {
		return err
	}
	initrd, err := step("Build a u-root initramfs", func() (string, error) {
		return artefacts.NetworkInitramfs(ctx, filepath.Join(d.build, "guests"), filepath.Join("qemu-test", "artefacts", "initramfs"))
	})
	if err != nil {
		return err
	}
	k, err := newKeys()
	if err != nil {
		return err
	}
	password := rand.Text()[:16]
	fingerprint, err := step("Boot the Basalt host in QEMU (AMD-V, no hardware help)", func() (string, error) { return d.boot(ctx, password) })
	if err != nil {
		return err
	}
	defer d.host.Stop()
	if initrd, err = k.initramfs(d.host.Dir, initrd, modules); err != nil {
		return err
	}
	enter, err := k.files(d.host.Dir, d.host.Ports[1])
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", d.host.Ports[0])
	c := client{bin: filepath.Join(d.build, "basalt"), config: filepath.Join(d.host.Dir, "client.json"), password: password}
	const cmdline = "console=ttyS0 quiet"
	for _, s := range []struct {
		name string
		args []string
	}{
		{"Log in at https://" + address, []string{"login", address, "--fingerprint", fingerprint}},
		{"Upload the kernel", []string{"file", "put", kernel, "vmlinuz"}},
		{"Upload the initramfs", []string{"file", "put", initrd, "initramfs.cpio"}},
		{"Create the virtual machine", []string{"vm", "create", "demo", "--memory", "256", "--kernel", "vmlinuz", "--initrd", "initramfs.cpio", "--cmdline", cmdline,
			"--nic", fmt.Sprintf("nat,forward=tcp:%d:22", sshPort)}},
		{"Start it", []string{"vm", "start", "demo"}},
	} {
		if _, err := step(s.name, func() (string, error) { return c.output(ctx, append(s.args, "--quiet")...) }); err != nil {
			return err
		}
	}
	fmt.Printf("\nThe API: https://%s/ (user root, password %s)\nThe client: BASALT_CONFIG=%s %s vm ls\nThe host's log: %s\n", address, password, c.config, c.bin,
		filepath.Join(d.host.Dir, "serial.log"))
	fmt.Printf("Into the guest, once its network is up: %s\n", enter)
	if _, err := step("Start the network in the guest", func() (string, error) { return "", c.netup(ctx) }); err != nil {
		return err
	}
	if script {
		out, err := step("Ask the guest for its kernel", func() (string, error) { return c.ask(ctx, "uname -a", "Linux ", "x86_64") })
		if err != nil {
			return err
		}
		fmt.Println(out)
		if out, err = step("Reach it by SSH", func() (string, error) { return k.run(ctx, d.host.Ports[1], "uname -a") }); err != nil {
			return err
		}
		fmt.Println(out)
		out, err = step("Show its adapter", func() (string, error) { return c.output(ctx, "vm", "nic", "list", "demo") })
		fmt.Println(out)
		return err
	}
	fmt.Print("Attached to the guest's console; Ctrl-] leaves and ends the demo.\n\n")
	return c.attach(ctx)
}

// boot starts the host and reads its certificate's fingerprint off its console.
func (d *demo) boot(ctx context.Context, password string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(d.build, "demo", "host"))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	d.host, err = harness.Machine{
		Kernel: filepath.Join(d.build, "basalt.elf"), CPUs: d.cpus, MemMiB: d.mem, Forward: []int{443, sshPort},
		Append: "hostname=basalt-demo password=" + password, Dir: dir, Limit: d.limit,
	}.Start(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	m, err := d.host.WaitFor(ctx, `certificate SHA-256 ([0-9A-F:]{95})`)
	if err != nil {
		return "", err
	}
	if _, err := d.host.WaitFor(ctx, `msg=ready`); err != nil {
		return "", err
	}
	return m[1], nil
}

// explain shows the end of the host's log after a failure.
func (d *demo) explain() {
	if d.host == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "The host's log (%s) ends with:\n%s\n", filepath.Join(d.host.Dir, "serial.log"), harness.Tail(d.host.Log(), 15))
}

type client struct{ bin, config, password string }

func (c client) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.bin, args...)
	cmd.Env = append(os.Environ(), "BASALT_CONFIG="+c.config, "BASALT_PASSWORD="+c.password)
	return cmd
}

func (c client) output(ctx context.Context, args ...string) (string, error) {
	out, err := c.command(ctx, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}

// ask waits for the guest's shell, types a command, waits for end and gives the
// line that holds want.
func (c client) ask(ctx context.Context, command, want, end string) (string, error) {
	const prompt = "$ "
	if out, err := c.output(ctx, "vm", "console", "demo", "--until", prompt, "--wait", "5m"); err != nil {
		return "", fmt.Errorf("no shell: %w: %s", err, out)
	}
	cmd := c.command(ctx, "vm", "console", "demo", "--backlog", "0", "--until", end, "--wait", "2m")
	cmd.Stdin = strings.NewReader(command + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if i := strings.Index(line, want); i >= 0 {
			return strings.TrimSpace(line[i:]), nil
		}
	}
	return "", fmt.Errorf("the guest answered %q", out)
}

// netup waits for the guest's shell and starts its network and SSH server, which go
// on in the background.
func (c client) netup(ctx context.Context) error {
	const prompt = "$ "
	if out, err := c.output(ctx, "vm", "console", "demo", "--until", prompt, "--wait", "5m"); err != nil {
		return fmt.Errorf("no shell: %w: %s", err, out)
	}
	cmd := c.command(ctx, "vm", "console", "demo", "--backlog", "0", "--until", prompt, "--wait", "2m")
	cmd.Stdin = strings.NewReader("netup\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (c client) attach(ctx context.Context) error {
	cmd := c.command(ctx, "vm", "console", "demo")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
