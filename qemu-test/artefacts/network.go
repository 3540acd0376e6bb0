package artefacts

import (
	"context"
	"slices"

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
var networkModules = append(slices.Clone(virtioModules), "net/core/failover.ko", "drivers/net/net_failover.ko", "drivers/net/virtio_net.ko")

// networkFolder is where the guest looks for them.
const networkFolder = "lib/net"

// NetworkModules gives the path of a cpio archive in dir with the modules for the
// network of the kernel that Kernel gave.
func NetworkModules(ctx context.Context, dir string) (string, error) {
	return modules(ctx, dir, "network", networkFolder, networkModules)
}

// NetworkKeys makes a cpio archive with the SSH server's private key and the keys
// that it lets in, in OpenSSH's formats.
func NetworkKeys(private, authorized []byte) []byte {
	b := cpio.Append(folders(networkFolder), file(networkFolder, "host_key", private))
	return cpio.End(cpio.Append(b, file(networkFolder, "authorized_keys", authorized)))
}
