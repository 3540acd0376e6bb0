package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// newPassword makes a password for this run.
func newPassword() (string, error) { return rand.Text()[:16], nil }

// kernelPackage is Debian's name for the newest kernel for virtual machines; it
// depends on the package that holds the image.
const kernelPackage = "linux-image-cloud-amd64"

// fetchKernel gives the path of a kernel image, from an earlier run if there is one.
func fetchKernel(ctx context.Context, dir string) (string, error) {
	image := filepath.Join(dir, "vmlinuz")
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	tmp, err := newDir(dir, "deb")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	depends, err := sh(ctx, tmp, "apt-cache", "depends", kernelPackage)
	if err != nil {
		return "", fmt.Errorf("ask Debian's package list (apt-get update first?): %w", err)
	}
	name := ""
	for line := range strings.Lines(depends) {
		if _, after, ok := strings.Cut(line, "Depends: linux-image-"); ok && name == "" {
			name = "linux-image-" + strings.TrimSpace(after)
		}
	}
	if name == "" {
		return "", fmt.Errorf("%s names no kernel; run apt-get update", kernelPackage)
	}
	if _, err := sh(ctx, tmp, "apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", name); err != nil {
		return "", err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return "", errors.Join(errors.New("apt-get downloaded no package"), err)
	}
	if _, err := sh(ctx, tmp, "dpkg-deb", "--extract", debs[0], "root"); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(tmp, "root", "boot", "vmlinuz-*"))
	if err != nil || len(found) != 1 {
		return "", errors.Join(errors.New("the package has no kernel image"), err)
	}
	return image, os.Rename(found[0], image)
}

// commands of u-root that the demo guest has.
var commands = strings.Fields("init gosh ls cat echo ps shutdown mount dmesg uname free ip mkdir date sleep grep pwd")

// buildInitramfs gives the path of an initramfs with a shell.
func buildInitramfs(ctx context.Context, dir string) (string, error) {
	out, err := filepath.Abs(filepath.Join(dir, "initramfs.cpio"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	tmp, err := newDir(dir, "uroot")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	part := filepath.Join(tmp, "initramfs.cpio")
	args := []string{"run", "github.com/u-root/u-root", "-o", part, "-defaultsh=gosh"}
	for _, c := range commands {
		args = append(args, "github.com/u-root/u-root/cmds/core/"+c)
	}
	if _, err := sh(ctx, filepath.Join("qemu-test", "demo", "initramfs"), "go", args...); err != nil {
		return "", err
	}
	return out, os.Rename(part, out)
}

func newDir(dir, name string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(abs, name)
}

// sh runs a command; its output is part of the error.
func sh(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
