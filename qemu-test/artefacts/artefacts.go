package artefacts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kernelPackage is Debian's name for the newest kernel for virtual machines; it
// depends on the package that holds the image.
const kernelPackage = "linux-image-cloud-amd64"

// Kernel gives the path of a Debian cloud kernel (bzImage) in dir.
func Kernel(ctx context.Context, dir string) (string, error) {
	return once(dir, "vmlinuz", func(tmp, out string) error {
		if err := lists(ctx, tmp, kernelPackage); err != nil {
			return err
		}
		depends, err := sh(ctx, tmp, "apt-cache", "depends", kernelPackage)
		if err != nil {
			return err
		}
		name := ""
		for line := range strings.Lines(depends) {
			if _, after, ok := strings.Cut(line, "Depends: linux-image-"); ok && name == "" {
				name = "linux-image-" + strings.TrimSpace(after)
			}
		}
		if name == "" {
			return fmt.Errorf("%s names no kernel; run apt-get update", kernelPackage)
		}
		image, err := fromPackage(ctx, tmp, name, "boot/vmlinuz-*")
		if err != nil {
			return err
		}
		return os.Rename(image, out)
	})
}

// xenPackage holds Debian 12's Xen.
const xenPackage = "xen-hypervisor-4.17-amd64"

// Xen gives the path of Debian's Xen, a Multiboot1 image, in dir.
func Xen(ctx context.Context, dir string) (string, error) {
	return once(dir, "xen", func(tmp, out string) error {
		if err := lists(ctx, tmp, xenPackage); err != nil {
			return err
		}
		image, err := fromPackage(ctx, tmp, xenPackage, "boot/xen-*.gz")
		if err != nil {
			return err
		}
		if _, err := sh(ctx, tmp, "gunzip", image); err != nil {
			return err
		}
		return os.Rename(strings.TrimSuffix(image, ".gz"), out)
	})
}

// lists makes sure that this computer's package lists know a package; a fresh
// computer may have none.
func lists(ctx context.Context, tmp, name string) error {
	if _, err := sh(ctx, tmp, "apt-cache", "show", name); err == nil {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("the package lists of this computer have no %s: run apt-get update as root", name)
	}
	_, err := sh(ctx, tmp, "apt-get", "-qq", "update")
	return err
}

// fromPackage downloads a Debian package and gives the one file that matches.
func fromPackage(ctx context.Context, tmp, name, pattern string) (string, error) {
	if _, err := sh(ctx, tmp, "apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", name); err != nil {
		return "", fmt.Errorf("download %s (apt-get update first?): %w", name, err)
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return "", errors.Join(errors.New("apt-get downloaded no package"), err)
	}
	if _, err := sh(ctx, tmp, "dpkg-deb", "--extract", debs[0], "root"); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(tmp, "root", pattern))
	if err != nil || len(found) != 1 {
		return "", errors.Join(fmt.Errorf("%s has no %s", name, pattern), err)
	}
	return found[0], nil
}

// commands of u-root that the guest has.
var commands = strings.Fields("init gosh ls cat echo ps shutdown mount dmesg uname free ip mkdir date sleep grep pwd")

// InitramfsName says which shell is inside: another one needs another name, because
// a file that is there is not made again.
const InitramfsName = "initramfs-liner.cpio"

// Initramfs gives the path of an initramfs with a shell in dir. source is the
// module's folder, qemu-test/artefacts/initramfs.
func Initramfs(ctx context.Context, dir, source string) (string, error) {
	return initramfs(ctx, dir, source, InitramfsName)
}

// initramfs makes an initramfs with a shell and more commands.
func initramfs(ctx context.Context, dir, source, name string, more ...string) (string, error) {
	return once(dir, name, func(tmp, out string) error {
		part := filepath.Join(tmp, name)
		// gosh's default line editor starts a program for each prompt and now and
		// then stops for good when the Enter key comes while the guest is slow: it
		// has read the key, the serial port has nothing for it and the kernel idles.
		args := []string{"run", "github.com/u-root/u-root", "-o", part, "-defaultsh=gosh", "-tags=goshliner"}
		for _, c := range commands {
			args = append(args, "github.com/u-root/u-root/cmds/core/"+c)
		}
		if _, err := sh(ctx, source, "go", append(args, more...)...); err != nil {
			return err
		}
		return os.Rename(part, out)
	})
}

// once makes the file name in dir unless it is there; a half-made one never is.
func once(dir, name string, f func(tmp, out string) error) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	out := filepath.Join(abs, name)
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(abs, name)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	return out, f(tmp, out)
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
