package artefacts

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"basalt/boot/cpio"
)

// sshCommands are what an initramfs with network has besides the others.
var sshCommands = []string{"github.com/u-root/u-root/cmds/core/dhclient", "github.com/u-root/u-root/cmds/core/sshd", "./netup"}

// NetworkInitramfs gives the path of an initramfs as Initramfs, in whose guest the
// command netup asks for an address and serves SSH, if NetworkModules and what
// NetworkKeys gives are behind it.
func NetworkInitramfs(ctx context.Context, dir, source string) (string, error) {
	return initramfs(ctx, dir, source, "initramfs-network.cpio", sshCommands...)
}

// networkModules are what a Debian cloud kernel needs for a virtio network adapter,
// in the order of their dependences.
var networkModules = []string{"drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio.ko", "drivers/virtio/virtio_pci_legacy_dev.ko",
	"drivers/virtio/virtio_pci_modern_dev.ko", "drivers/virtio/virtio_pci.ko", "net/core/failover.ko", "drivers/net/net_failover.ko", "drivers/net/virtio_net.ko"}

// networkFolder is where the guest looks for them.
const networkFolder = "lib/net"

// NetworkModules gives the path of a cpio archive in dir with the modules for the
// network of the kernel that Kernel gave.
func NetworkModules(ctx context.Context, dir string) (string, error) {
	version, err := kernelVersion(filepath.Join(dir, "vmlinuz"))
	if err != nil {
		return "", err
	}
	return once(dir, "network-"+version+".cpio", func(tmp, out string) error {
		name := "linux-image-" + version
		if err := lists(ctx, tmp, name); err != nil {
			return err
		}
		first, err := fromPackage(ctx, tmp, name, "lib/modules/*/kernel")
		if err != nil {
			return fmt.Errorf("%w\nIf the archive has a newer kernel by now, remove %s", err, filepath.Join(dir, "vmlinuz"))
		}
		b := folders(nil)
		order := ""
		for _, m := range networkModules {
			body, err := os.ReadFile(filepath.Join(first, m))
			if err != nil {
				return err
			}
			b = cpio.Append(b, file(filepath.Base(m), body))
			order += filepath.Base(m) + "\n"
		}
		b = cpio.End(cpio.Append(b, file("order", []byte(order))))
		part := filepath.Join(tmp, "modules.cpio")
		if err := os.WriteFile(part, b, 0o644); err != nil {
			return err
		}
		return os.Rename(part, out)
	})
}

// NetworkKeys makes a cpio archive with the SSH server's private key and the keys
// that it lets in, in OpenSSH's formats.
func NetworkKeys(private, authorized []byte) []byte {
	b := cpio.Append(folders(nil), file("host_key", private))
	return cpio.End(cpio.Append(b, file("authorized_keys", authorized)))
}

func folders(b []byte) []byte {
	for _, f := range []string{"lib", networkFolder} {
		b = cpio.Append(b, cpio.Entry{Name: f, Mode: 0o040755})
	}
	return b
}

func file(name string, body []byte) cpio.Entry {
	return cpio.Entry{Name: networkFolder + "/" + name, Mode: cpio.KindFile | 0o600, Body: body}
}

// kernelVersion reads the version of a bzImage (Linux, Documentation/arch/x86/boot.rst,
// field kernel_version): what uname -r says.
func kernelVersion(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	const field, base = 0x20e, 0x200
	if len(b) < field+2 {
		return "", fmt.Errorf("%s is no kernel", path)
	}
	at := int(binary.LittleEndian.Uint16(b[field:])) + base
	if at >= len(b) {
		return "", fmt.Errorf("%s names no version", path)
	}
	version, _, ok := strings.Cut(string(b[at:min(at+256, len(b))]), " ")
	if !ok || version == "" || strings.ContainsAny(version, "/\x00") {
		return "", fmt.Errorf("%s names no version", path)
	}
	return version, nil
}
