package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// translations is the size of QEMU's buffer of translated code in MiB, the largest that it
// takes, for several processors: see the known failures in doc.go for what its end does.
const translations = "2047"

// qemu starts the machine in QEMU without hardware acceleration.
func (m Machine) qemu(r *Running) error {
	// A socket's path may have 107 bytes and QEMU's options no commas: a short
	// folder of its own.
	sock, err := os.MkdirTemp("", "bq")
	if err != nil {
		return err
	}
	r.tmp, r.qmp = sock, filepath.Join(sock, "q")
	args := []string{
		"-accel", "tcg" + map[bool]string{true: ",thread=multi,tb-size=" + translations}[m.CPUs > 1 && !m.Icount],
		"-machine", m.Type, "-cpu", m.CPUModel,
		"-smp", strconv.Itoa(m.CPUs), "-m", strconv.Itoa(m.MemMiB),
		"-display", "none", "-no-reboot", "-nodefaults", "-vga", m.vga(),
		"-serial", "file:serial.log",
		"-qmp", "unix:" + r.qmp + ",server=on,wait=off",
		"-device", "isa-debug-exit,iobase=0x501",
		"-d", "cpu_reset", "-D", "reset.log", // a triple fault leaves its registers there
	}
	if m.Icount {
		args = append(args, "-icount", "shift="+strconv.Itoa(m.Shift)+",sleep=off", "-seed", "1", "-rtc", "base=2026-01-01T00:00:00,clock=vm")
	}
	if m.Kernel != "" {
		k, err := filepath.Abs(m.Kernel)
		if err != nil {
			return err
		}
		args = append(args, "-kernel", k)
		if m.Append != "" {
			args = append(args, "-append", m.Append)
		}
	}
	if m.Firmware != "" {
		args = append(args, "-bios", m.Firmware)
	}
	if m.Disk != "" {
		args = append(args, "-drive", "file="+m.Disk+",format=raw,if=ide,cache=unsafe")
	}
	if m.NIC != "none" {
		user := "user,id=n0"
		for i, p := range m.Forward {
			user += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", r.Ports[i], p)
		}
		args = append(args, "-netdev", user, "-device", m.NIC+",netdev=n0,romfile=")
	}
	return r.command(m.Dir, "qemu-system-x86_64", append(args, m.Extra...)...)
}

// QMP sends one command of the QEMU Machine Protocol and gives what it returns.
func (r *Running) QMP(command string, arguments map[string]any) (json.RawMessage, error) {
	c, err := net.DialTimeout("unix", r.qmp, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("harness: QMP: %w", err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewScanner(c)
	in.Buffer(nil, 64<<20)
	enc := json.NewEncoder(c)
	if !in.Scan() {
		return nil, fmt.Errorf("harness: QMP: no greeting")
	}
	for _, cmd := range []map[string]any{{"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}} {
		if cmd["arguments"] == nil || len(arguments) == 0 {
			delete(cmd, "arguments")
		}
		if err := enc.Encode(cmd); err != nil {
			return nil, err
		}
		for {
			if !in.Scan() {
				return nil, fmt.Errorf("harness: QMP %s: connection ended", command)
			}
			var answer struct {
				Return json.RawMessage `json:"return"`
				Error  *struct{ Desc string }
			}
			if err := json.Unmarshal(in.Bytes(), &answer); err != nil {
				return nil, err
			}
			if answer.Error != nil {
				return nil, fmt.Errorf("harness: QMP %s: %s", command, answer.Error.Desc)
			}
			if answer.Return == nil {
				continue // an event
			}
			if cmd["execute"] == command {
				return answer.Return, nil
			}
			break
		}
	}
	return nil, fmt.Errorf("harness: QMP %s: no answer", command)
}

// Screenshot writes what the machine shows to a PPM file.
func (r *Running) Screenshot(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	_, err = r.QMP("screendump", map[string]any{"filename": abs})
	return err
}

// bochs starts the machine in Bochs; see FACTS on its build with the debugger.
func (m Machine) bochs(r *Running) error {
	serial := filepath.Join(m.Dir, "serial.log")
	if err := os.WriteFile(serial, nil, 0o644); err != nil {
		return err
	}
	lines := []string{
		"display_library: rfb, options=\"timeout=0\"",
		"romimage: file=" + first("/usr/share/bochs/BIOS-bochs-latest", m.Firmware) + bochsROM(m.Firmware),
		"vgaromimage: file=/usr/share/vgabios/vgabios.bin",
		"memory: guest=" + strconv.Itoa(m.MemMiB) + ", host=" + strconv.Itoa(min(m.MemMiB, 2048)), // the rest would be paged to a file
		"cpu: model=" + m.CPUModel + ", count=" + strconv.Itoa(m.CPUs) + ", ips=" + strconv.Itoa(m.MIPS) + "000000, reset_on_triple_fault=0",
		"clock: sync=slowdown, time0=utc",
		"com1: enabled=1, mode=file, dev=" + serial,
		"log: " + filepath.Join(m.Dir, "bochs.log"),
		"panic: action=fatal", "error: action=report", "info: action=report", "debug: action=ignore",
		"boot: disk", "mouse: enabled=0", "sound: driver=dummy",
	}
	if m.Disk != "" {
		os.Remove(m.Disk + ".lock")
		// Bochs' BIOS waits for IDE time-outs, three emulated seconds, where no drive is.
		lines = append(lines, "ata0-master: type=disk, mode=flat, path="+m.Disk,
			"ata0-slave: type=cdrom, status=ejected, path=none", "ata1: enabled=0")
	}
	if m.NIC != "none" {
		slirp := "# slirp config\n"
		for i, p := range m.Forward {
			slirp += fmt.Sprintf("hostfwd = tcp:127.0.0.1:%d-10.0.2.15:%d\n", r.Ports[i], p)
		}
		conf := filepath.Join(m.Dir, "slirp.conf")
		if err := os.WriteFile(conf, []byte(slirp), 0o644); err != nil {
			return err
		}
		lines = append(lines, "e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, script="+conf)
	}
	lines = append(lines, m.Extra...)
	rc := filepath.Join(m.Dir, "bochsrc")
	if err := os.WriteFile(rc, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	cont := filepath.Join(m.Dir, "debugger")
	if err := os.WriteFile(cont, []byte(first("c\n", m.Debugger)), 0o644); err != nil {
		return err
	}
	return r.command(m.Dir, "bochs", "-q", "-rc", cont, "-f", rc)
}

func first(a, b string) string {
	if b != "" {
		return b
	}
	return a
}

func bochsROM(firmware string) string {
	if firmware == "" {
		return ""
	}
	return ", address=0xffe00000"
}

// vga is the machine's graphics card; a microvm has no bus for one.
func (m Machine) vga() string {
	if strings.HasPrefix(m.Type, "microvm") {
		return "none"
	}
	return "std"
}
