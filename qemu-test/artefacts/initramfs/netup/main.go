// Command netup is for the guest of `make run`: it loads the modules of a virtio
// network adapter, asks for an address and starts an SSH server. It does so in the
// background; what happens is in /tmp/netup.log.
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// folder has the modules, the file order that names them in the order of their
// dependences, and the keys.
const folder = "/lib/net"

func main() {
	if len(os.Args) < 2 {
		if err := behind(); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := serve(); err != nil {
		log.Fatal(err)
	}
}

// behind starts this program again in a session of its own, which the console's end
// does not end.
func behind() error {
	out, err := os.Create("/tmp/netup.log")
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command("/bbin/netup", "serve")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

func serve() error {
	order, err := os.ReadFile(filepath.Join(folder, "order"))
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(order)) {
		if err := load(filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, args := range [][]string{
		{"/bbin/dhclient", "-ipv6=false", "-v", "eth0"},
		{"/bbin/sshd", "-port", "22", "-keys", filepath.Join(folder, "authorized_keys"), "-privatekey", filepath.Join(folder, "host_key")},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
	}
	return nil
}

func load(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}
