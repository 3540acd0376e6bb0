package artefacts

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"basalt/boot/cpio"
)

// virtioModules are what a Debian cloud kernel needs for any virtio device, in the order
// of their dependences.
var virtioModules = []string{"drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio.ko", "drivers/virtio/virtio_pci_legacy_dev.ko",
	"drivers/virtio/virtio_pci_modern_dev.ko", "drivers/virtio/virtio_pci.ko"}

// modules gives the path of a cpio archive in dir with modules of the kernel that Kernel
// gave, in a folder with the file order, which names them in this order.
func modules(ctx context.Context, dir, name, folder string, paths []string) (string, error) {
	version, err := kernelVersion(filepath.Join(dir, "vmlinuz"))
	if err != nil {
		return "", err
	}
	return once(dir, name+"-"+version+".cpio", func(tmp, out string) error {
		name := "linux-image-" + version
		if err := lists(ctx, tmp, name); err != nil {
			return err
		}
		first, err := fromPackage(ctx, tmp, name, "lib/modules/*/kernel")
		if err != nil {
			return fmt.Errorf("%w\nIf the archive has a newer kernel by now, remove %s", err, filepath.Join(dir, "vmlinuz"))
		}
		b := folders(folder)
		order := ""
		for _, m := range paths {
			body, err := os.ReadFile(filepath.Join(first, m))
			if err != nil {
				return err
			}
			b = cpio.Append(b, file(folder, path.Base(m), body))
			order += path.Base(m) + "\n"
		}
		b = cpio.End(cpio.Append(b, file(folder, "order", []byte(order))))
		part := filepath.Join(tmp, "modules.cpio")
		if err := os.WriteFile(part, b, 0o644); err != nil {
			return err
		}
		return os.Rename(part, out)
	})
}

// folders begins an archive with a folder in /lib.
func folders(folder string) (b []byte) {
	for _, f := range []string{"lib", folder} {
		b = cpio.Append(b, cpio.Entry{Name: f, Mode: 0o040755})
	}
	return b
}

func file(folder, name string, body []byte) cpio.Entry {
	return cpio.Entry{Name: folder + "/" + name, Mode: cpio.KindFile | 0o600, Body: body}
}

// Join puts archives behind each other, as a kernel takes them for one initramfs.
func Join(archives ...[]byte) (all []byte) {
	for _, b := range archives {
		all = append(all, b...)
		for len(all)%4 != 0 {
			all = append(all, 0)
		}
	}
	return all
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
