package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// folder is qemu-test/artefacts.AnswerFolder: the modules and the file order, which
// names them in the order of their dependences.
const folder = "/lib/answer"

func main() {
	log.SetFlags(0)
	if err := load(); err != nil {
		log.Fatal("answer: ", err)
	}
	failed := make(chan error)
	for _, name := range os.Args[1:] {
		p, err := open(name)
		if err != nil {
			log.Fatalf("answer: %s: %v", name, err)
		}
		go func() { failed <- fmt.Errorf("%s: %w", name, p.serve()) }()
	}
	fmt.Printf("answers on %d ports\n", len(os.Args)-1)
	log.Fatal("answer: ", <-failed)
}

func load() error {
	order, err := os.ReadFile(filepath.Join(folder, "order"))
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(order)) {
		f, err := os.Open(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// port is an open port.
type port struct {
	name string
	f    *os.File
}

func open(name string) (*port, error) {
	path, terminal := filepath.Join("/dev", name), strings.HasPrefix(name, "tty") || strings.HasPrefix(name, "hvc")
	if !terminal {
		var err error
		if path, err = portFile(name); err != nil {
			return nil, err
		}
	}
	if err := until(func() bool { _, err := os.Stat(path); return err == nil }); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// Not by os.OpenFile, which has the runtime poll it: Linux's virtio_console loses the
	// wake-up of a writer when another thread polls the port (mended upstream in 2026,
	// "virtio: console: fix lost wakeup when device is written and polled").
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	if terminal {
		_, err = term.MakeRaw(fd)
		return &port{name, f}, err
	}
	// Until the host's end is there, which the driver hears after the name, a read
	// would be the end of a file.
	return &port{name, f}, until(func() bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, 0)
		return err == nil && fds[0].Revents&unix.POLLHUP == 0
	})
}

// portFile finds a port for programs by its name. What udev makes of that,
// /dev/virtio-ports, is not here.
func portFile(name string) (path string, err error) {
	err = until(func() bool {
		files, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, f := range files {
			if b, _ := os.ReadFile(f); strings.TrimSpace(string(b)) == name {
				path = filepath.Join("/dev", filepath.Base(filepath.Dir(f)))
			}
		}
		return path != ""
	})
	return path, err
}

// until asks again and again for at most a minute: udev and CPU hot-plug change files in
// sysfs, which tell nobody when they do.
func until(ok func() bool) error {
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("it does not come")
		}
	}
	return nil
}

// serve answers until the port fails.
func (p *port) serve() error {
	in := bufio.NewScanner(p.f)
	in.Split(lines)
	for in.Scan() {
		command, arg, _ := strings.Cut(in.Text(), " ")
		text, err := p.answer(command, arg)
		if err != nil {
			text = err.Error()
		}
		if _, err := fmt.Fprintf(p.f, "%s: %s\r\n", p.name, text); err != nil {
			return err
		}
	}
	return errors.Join(errors.New("end of input"), in.Err())
}

// lines ends a line at CR or LF.
func lines(b []byte, end bool) (n int, line []byte, err error) {
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		return i + 1, b[:i], nil
	}
	return 0, nil, nil
}

func (p *port) answer(command, arg string) (string, error) {
	switch command {
	case "echo":
		return arg, nil
	case "cpus":
		return sys("devices/system/cpu/online")
	case "online":
		cpu := filepath.Join("/sys/devices/system/cpu", "cpu"+arg, "online")
		if err := until(func() bool { _, err := os.Stat(cpu); return err == nil }); err != nil {
			return "", err
		}
		if err := os.WriteFile(cpu, []byte("1"), 0); err != nil {
			return "", err
		}
		return sys("devices/system/cpu/online")
	case "balloon":
		return balloon()
	case "uuid":
		return sys("class/dmi/id/product_uuid")
	case "fill":
		n, err := strconv.Atoi(arg)
		for i := 0; i < n && err == nil; i++ {
			_, err = fmt.Fprintf(p.f, "%062d\r\n", i)
		}
		return "filled", err
	}
	return "", fmt.Errorf("what is %q?", command)
}

// balloon counts the pages that the driver has put in and not taken out again.
func balloon() (string, error) {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return "", err
	}
	n, found := 0, 0
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		v, _ := strconv.Atoi(value)
		switch name {
		case "balloon_inflate":
			n, found = n+v, found+1
		case "balloon_deflate":
			n, found = n-v, found+1
		}
	}
	if found != 2 {
		return "", errors.New("vmstat has no balloon")
	}
	return strconv.Itoa(n), nil
}

func sys(path string) (string, error) {
	b, err := os.ReadFile(filepath.Join("/sys", path))
	return strings.TrimSpace(string(b)), err
}
