package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"basalt/qemu-test/artefacts"
)

// sshPort is the port of the Basalt host that leads to the guest's SSH server.
const sshPort = 2222

// keys are made anew for each run: nothing secret stays in build/guests.
type keys struct {
	server, client         ssh.Signer
	serverFile, clientFile []byte // private keys, OpenSSH's format
}

func newKeys() (k keys, err error) {
	if k.server, k.serverFile, err = newKey("the demo's guest"); err == nil {
		k.client, k.clientFile, err = newKey("the demo's user")
	}
	return k, err
}

func newKey(comment string) (ssh.Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, nil, err
	}
	s, err := ssh.NewSignerFromKey(private)
	return s, pem.EncodeToMemory(block), err
}

// initramfs joins what is kept and what is new into a file in dir.
func (k keys) initramfs(dir string, parts ...string) (string, error) {
	var all [][]byte
	for _, p := range parts {
		b, err := os.ReadFile(p)
		if err != nil {
			return "", err
		}
		all = append(all, b)
	}
	all = append(all, artefacts.NetworkKeys(k.serverFile, ssh.MarshalAuthorizedKey(k.client.PublicKey())))
	out := filepath.Join(dir, "initramfs.cpio")
	return out, os.WriteFile(out, artefacts.Join(all...), 0o600)
}

// files writes what ssh needs into dir, and gives the command for a person.
func (k keys) files(dir string, port int) (string, error) {
	key, known := filepath.Join(dir, "ssh_key"), filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(key, k.clientFile, 0o600); err != nil {
		return "", err
	}
	line := fmt.Sprintf("[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(k.server.PublicKey()))
	if err := os.WriteFile(known, []byte(line), 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("ssh -i %s -o UserKnownHostsFile=%s -p %d root@127.0.0.1", key, known, port), nil
}

// run does a command in the guest. It waits until the guest's server answers: the
// guest starts it beside its shell.
func (k keys) run(ctx context.Context, port int, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		c, err := k.dial(ctx, port)
		if err == nil {
			defer c.Close()
			return execute(c, command)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return "", fmt.Errorf("no SSH server: %w", err)
		}
	}
}

// execute does a command. u-root's server answers the request only when the command is
// over, and ends it only when its input has ended, so nobody may wait for the answer.
func execute(c *ssh.Client, command string) (string, error) {
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		return "", err
	}
	defer ch.Close()
	go ssh.DiscardRequests(reqs)
	if _, err := ch.SendRequest("exec", false, ssh.Marshal(struct{ Command string }{command})); err != nil {
		return "", err
	}
	if err := ch.CloseWrite(); err != nil {
		return "", err
	}
	out, err := io.ReadAll(ch)
	return strings.TrimSpace(string(out)), err
}

func (k keys) dial(ctx context.Context, port int) (*ssh.Client, error) {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	c, chans, reqs, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(k.client)}, HostKeyCallback: ssh.FixedHostKey(k.server.PublicKey()),
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, chans, reqs), nil
}
