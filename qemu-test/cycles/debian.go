package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"

	"basalt/mgmt/wire"
	"basalt/qemu-test/artefacts"
)

// debian is a systemd guest with fio, a TCP connection and a loop over clocks.
type debian struct {
	build  string
	cpus   int
	system artefacts.Debian
	lines  atomic.Int64 // of the connection
	lost   atomic.Value // string: what went wrong with it
	ln     net.Listener
	last   int64
	asked  int
}

// guestCPUs are the system's processors. Bochs has one for them, on which two would mostly
// wait for each other.
var guestCPUs = map[string]int{"amd-v": 2, "vt-x": 1}

// archive gives the system as a boot module's archive.
func (l *debian) archive(ctx context.Context) (string, error) {
	dir := filepath.Join(l.build, "guests")
	var err error
	if l.system, err = artefacts.DebianSystem(ctx, dir); err != nil {
		return "", err
	}
	out, err := filepath.Abs(filepath.Join(dir, "cycles-files.cpio"))
	if err != nil {
		return "", err
	}
	return out, artefacts.Archive(out, l.system.Kernel, l.system.Initrd, l.system.Disk)
}

// clocks exits when a clock goes back: CLOCK_REALTIME by bash, CLOCK_BOOTTIME by
// /proc/uptime, and CLOCK_MONOTONIC by /proc/timer_list now and then.
const clocks = `r=0 u=0 m=0 i=0; back() { echo "CLOCK $1 went back from $2 to $3"; exit 1; }; while :; do t=${EPOCHREALTIME/./}; [ $t -ge $r ] || back realtime $r $t; r=$t; read -r t x </proc/uptime; t=${t/./}; [ $t -ge $u ] || back boottime $u $t; u=$t; i=$((i+1)); [ $((i%50)) = 0 ] || continue; while read -r a b t x; do [ "$a $b" = "now at" ] && break; done </proc/timer_list; [ $t -ge $m ] || back monotonic $m $t; m=$t; sleep 0.02; done >/tmp/clocks 2>&1`

// stream numbers lines and wants each back.
const stream = `exec 3<>/dev/tcp/10.0.2.2/%d; i=0; while :; do i=$((i+1)); echo $i >&3 || break; read -r x <&3 || break; [ "$x" = $i ] || { echo "got $x for $i"; break; }; done >/tmp/stream 2>&1; echo broken >>/tmp/stream`

// trouble is what the guest's kernel must not have said. The guest has the pattern in a
// variable: the terminal's echo of a line may be cut in two anywhere, and would be taken
// for an answer.
const trouble = `BUG|Oops|lockup|clocksource: (Marking|Watchdog)|I/O error|stall`

const disk = `while fio --name=v --filename=/dev/vdb --rw=randwrite --bs=4k --size=24m --ioengine=libaio --iodepth=8 --direct=1 --verify=crc32c --verify_fatal=1 --output=/tmp/fio.last >/dev/null 2>/tmp/fio.err; do echo ok >>/tmp/fio.ok; done; echo failed >>/tmp/fio.bad`

func (l *debian) create(ctx context.Context, n *node) (vm wire.VM, err error) {
	if l.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return vm, err
	}
	go l.echo()
	if _, err = n.CreateImage(ctx, "data.img", 32<<20); err != nil {
		return vm, err
	}
	if vm, err = n.CreateVM(ctx, wire.VMCreate{Name: "m", CPUs: l.cpus, MemoryMiB: 320,
		Boot:  wire.Boot{Kernel: filepath.Base(l.system.Kernel), Initrd: filepath.Base(l.system.Initrd), Cmdline: "console=ttyS0 root=/dev/vda rw net.ifnames=0 systemd.default_timeout_start_sec=900"},
		Disks: []wire.Disk{{Kind: "image", Image: filepath.Base(l.system.Disk)}, {Kind: "image", Image: "data.img"}}, NICs: []wire.NIC{{Network: "nat"}}}); err != nil {
		return vm, err
	}
	c, err := n.console(ctx, vm.ID, 64<<10)
	if err != nil {
		return vm, err
	}
	defer c.close()
	if vm, err = n.Act(ctx, vm.ID, "start"); err != nil {
		return vm, err
	}
	if _, err = c.expect(ctx, 2*n.step, `login: `); err != nil {
		return vm, err
	}
	fmt.Println("the guest has a login prompt")
	if err = c.send(ctx, "root"); err != nil {
		return vm, err
	}
	if _, err = c.expect(ctx, n.step, `# `); err != nil {
		return vm, err
	}
	out, err := l.ask(ctx, c, "for i in $(seq 120); do ip -4 -o addr show scope global | grep -o 'inet .*' && break; sleep 1; done; [ $i -lt 120 ] || { ip addr; networkctl | cat; }")
	if err == nil && !strings.Contains(out, "inet 192.168.") {
		err = fmt.Errorf("the guest has no address: %s", out)
	}
	if err != nil {
		return vm, err
	}
	fmt.Println("the guest has an address")
	for _, cmd := range []string{
		"TROUBLE='" + trouble + "'",
		"(" + clocks + ") & CLOCKS=$!; disown", "(" + fmt.Sprintf(stream, l.ln.Addr().(*net.TCPAddr).Port) + ") & disown", "(" + disk + ") & disown",
	} {
		if _, err = l.ask(ctx, c, cmd); err != nil {
			return vm, err
		}
		fmt.Printf("the guest has done: %.60s\n", cmd)
	}
	return vm, l.check(ctx, n, vm, false)
}

// ask gives what a command prints.
func (l *debian) ask(ctx context.Context, c *terminal, cmd string) (string, error) {
	l.asked++
	if err := c.send(ctx, fmt.Sprintf("%s\recho; echo end-$((%d+1))-", cmd, 100*l.asked)); err != nil {
		return "", err
	}
	m, err := c.expect(ctx, c.step, fmt.Sprintf(`([\s\S]*)\nend-%d-`, 100*l.asked+1))
	if err != nil {
		return "", err
	}
	return m[1], nil
}

// echo answers the guest's connection: one, for ever.
func (l *debian) echo() {
	conn, err := l.ln.Accept()
	if err != nil {
		return
	}
	in := bufio.NewScanner(conn)
	for in.Scan() {
		if want := fmt.Sprint(l.lines.Add(1)); in.Text() != want {
			l.lost.Store(fmt.Sprintf("line %q came instead of %s", in.Text(), want))
			return
		}
		if _, err := fmt.Fprintln(conn, in.Text()); err != nil {
			l.lost.Store(err.Error())
			return
		}
	}
	l.lost.Store(fmt.Sprintf("the connection has ended after %d lines: %v", l.lines.Load(), in.Err()))
}

func (l *debian) check(ctx context.Context, n *node, vm wire.VM, clone bool) error {
	c, err := n.console(ctx, vm.ID, 0)
	if err != nil {
		return err
	}
	defer c.close()
	out, err := l.ask(ctx, c, `cat /tmp/clocks /tmp/fio.bad /tmp/fio.err; kill -0 $CLOCKS && echo clocks-$((40+2)); echo "runs $(grep -c ok /tmp/fio.ok)"; dmesg | grep -E "$TROUBLE"`)
	if err != nil {
		return err
	}
	for _, bad := range []string{"went back", "failed", "verify", "BUG", "Oops", "lockup", "clocksource: ", "I/O error", "stall"} {
		for line := range strings.Lines(out) {
			if strings.Contains(line, bad) {
				return fmt.Errorf("the guest of %s says %q", vm.Name, strings.TrimSpace(line))
			}
		}
	}
	if !strings.Contains(out, "clocks-42") {
		return fmt.Errorf("the loop over the clocks of %s has ended: %q", vm.Name, out)
	}
	if clone {
		return nil
	}
	// The guest's side of a connection that has ended says more.
	broken := func() error {
		s, ok := l.lost.Load().(string)
		if !ok {
			return nil
		}
		out, _ := l.ask(ctx, c, "cat /tmp/stream; ip -br addr")
		return fmt.Errorf("TCP: %s; the guest says %q", s, out)
	}
	if err := broken(); err != nil {
		return err
	}
	// The connection goes on: some lines more than at the last check.
	const tries = 60
	for i, end := 0, l.last+3; l.lines.Load() < end; i++ {
		if err := broken(); err != nil {
			return err
		}
		if i == tries {
			out, _ := l.ask(ctx, c, "ss -tino; ip -s link show eth0; grep virtio /proc/interrupts; ip neigh; ping -c 2 -W 2 10.0.2.2; cat /tmp/stream")
			return fmt.Errorf("TCP: %d lines, and no more; the guest says %q", l.lines.Load(), out)
		}
		if _, err := l.ask(ctx, c, "sleep 1"); err != nil {
			return err
		}
	}
	l.last = l.lines.Load()
	return nil
}

func (l *debian) finish(ctx context.Context, n *node, vm wire.VM) (string, error) {
	c, err := n.console(ctx, vm.ID, 0)
	if err != nil {
		return "", err
	}
	defer c.close()
	// A whole pass of fio that began after the last cycle.
	out, err := l.ask(ctx, c, `touch /tmp/fio.ok; a=$(grep -c ok /tmp/fio.ok); until [ "$(grep -c ok /tmp/fio.ok)" -ge $((a+2)) ] || [ -e /tmp/fio.bad ]; do sleep 1; done; cat /tmp/fio.bad; echo "passes $(grep -c ok /tmp/fio.ok)"`)
	if err == nil && strings.Contains(out, "\nfailed") {
		err = fmt.Errorf("fio: %s", out)
	}
	if err == nil {
		err = l.check(ctx, n, vm, false)
	}
	passes := ""
	if i := strings.LastIndex(out, "passes "); i >= 0 {
		passes, _, _ = strings.Cut(out[i:], "\r") // the prompt is behind it
	}
	return fmt.Sprintf("fio: %s verified; TCP: %d lines echoed in order", passes, l.lines.Load()), err
}
