// Command https is a kernel that answers over TLS: the test of files, sockets and
// network devices together in ring 0. GET / says hello, anything else is echoed.
// It prints "https: ready at ADDRESS" when it can be reached, and serves until the
// machine is stopped.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"syscall"
	"time"

	"basalt/vmkernel/hostnet"
	"basalt/vmkernel/hw"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/netstack"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("https: FAIL:", err)
		os.Exit(1)
	}
}

func run() error {
	start := time.Now()
	m, err := hw.Discover(linux.Physical(), linux.ACPI(), linux.MADT())
	if err != nil {
		return err
	}
	h, err := hostnet.Start(m, hostnet.Config{
		Hostname: "basalt",
		Setting:  netstack.Setting{DHCP: true},
		Logf:     func(f string, a ...any) { fmt.Printf("https: "+f+"\n", a...) },
	})
	if err != nil {
		return err
	}
	if err := files(); err != nil {
		return err
	}
	srv, err := serve()
	if err != nil {
		return err
	}
	if err := loopback(srv.Client()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.Ready(ctx); err != nil {
		return err
	}
	fmt.Printf("https: ready at %v after %v\n", h.Addresses(), time.Since(start))
	for {
		time.Sleep(10 * time.Second)
		var ms runtime.MemStats
		runtime.ReadMemStats(&ms)
		fmt.Printf("https: %+v, heap %d MiB, from the system %d MiB, %d goroutines\n", h.Stats(), ms.HeapInuse>>20, ms.Sys>>20, runtime.NumGoroutine())
	}
}

// serve listens on port 443 of every address.
func serve() (*httptest.Server, error) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprintf(w, "hello %s over %s, %s in ring 0\n", r.RemoteAddr, r.Proto, runtime.Version())
			return
		}
		io.Copy(w, r.Body) // an error is the client's
	}))
	l, err := net.Listen("tcp", ":443")
	if err != nil {
		return nil, err
	}
	srv.Listener.Close()
	srv.Listener = l
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	return srv, nil
}

// loopback sends itself a megabyte.
func loopback(c *http.Client) error {
	body := bytes.Repeat([]byte("basalt"), 1<<20/6)
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		resp, err := c.Post("https://"+host+"/", "text/plain", bytes.NewReader(body))
		if err != nil {
			return err
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if !bytes.Equal(got, body) {
			return fmt.Errorf("%s: %d of %d bytes came back", host, len(got), len(body))
		}
		fmt.Printf("https: %s echoed %d bytes over %s\n", host, len(got), resp.Proto)
	}
	return nil
}

// files writes, maps and removes a file.
func files() error {
	f, err := os.CreateTemp("", "https")
	if err != nil {
		return err
	}
	defer f.Close()
	defer os.Remove(f.Name())
	if err := f.Truncate(1 << 20); err != nil {
		return err
	}
	w, err := syscall.Mmap(int(f.Fd()), 0, 4<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	copy(w[500_000:], "one memory")
	b := make([]byte, 10)
	if _, err := f.ReadAt(b, 500_000); err != nil {
		return err
	}
	if string(b) != "one memory" {
		return errors.New("the mapping and the file differ")
	}
	if err := syscall.Munmap(w); err != nil {
		return fmt.Errorf("munmap: %w", err)
	}
	for _, name := range []string{"/etc/hosts", "/proc/sys/net/core/somaxconn", "/etc/resolv.conf"} {
		if _, err := os.ReadFile(name); err != nil {
			return err
		}
	}
	return os.MkdirAll("/tmp/a/b", 0o755)
}
