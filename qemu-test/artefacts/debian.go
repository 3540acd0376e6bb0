package artefacts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Debian is a Debian system with systemd, as debootstrap makes it: a kernel for
// virtual machines with its initial RAM disk, and a disk with one ext4 file system,
// labelled root. On it are the programs that the cases run. root has no password.
type Debian struct{ Kernel, Initrd, Disk string }

const (
	debianSuite    = "bookworm"
	debianPackages = "systemd-sysv,udev,dbus,kmod,iproute2,iputils-ping,netbase,e2fsprogs,initramfs-tools,zstd," +
		kernelPackage + ",fio,stress-ng,rt-tests,iperf3,linux-perf"
	// debianDisk is the size of the disk; about a third of it is free.
	debianDisk = "768M"
	// debianVersion is part of the names: another recipe needs another one, because
	// a file that is there is not made again.
	debianVersion = "1"
)

// leftOut are files of packages that no case needs.
var leftOut = strings.Fields(`/usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/info/*
	/usr/lib/modules/*/kernel/drivers/infiniband/* /usr/lib/modules/*/kernel/drivers/media/* /usr/lib/modules/*/kernel/drivers/xen/*
	/usr/lib/modules/*/kernel/drivers/hv/* /usr/lib/modules/*/kernel/fs/btrfs/* /usr/lib/modules/*/kernel/fs/xfs/*
	/usr/lib/modules/*/kernel/fs/smb/* /usr/lib/modules/*/kernel/fs/ceph/* /usr/lib/modules/*/kernel/fs/ocfs2/*`)

// DebianSystem gives the Debian system in dir, made with mmdebstrap: this needs root.
func DebianSystem(ctx context.Context, dir string) (d Debian, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return d, err
	}
	name := func(what string) string { return "debian-" + what + "-" + debianVersion }
	var root string // of the system, while the three files are made
	defer func() {
		if root != "" {
			err = errors.Join(err, os.RemoveAll(root))
		}
	}()
	// file is once for a part of the system, which is made for the first of them.
	file := func(what string, f func(root, out string) error) (string, error) {
		return once(dir, name(what), func(_, out string) error {
			if root == "" {
				if root, err = bootstrap(ctx, dir); err != nil {
					return err
				}
			}
			return f(filepath.Join(root, "root"), out)
		})
	}
	if d.Disk, err = file("disk", func(root, out string) error {
		if _, err := sh(ctx, dir, "mkfs.ext4", "-q", "-F", "-L", "root", "-d", root, out+".part", debianDisk); err != nil {
			return err
		}
		return os.Rename(out+".part", out)
	}); err != nil {
		return d, err
	}
	from := func(pattern string) func(root, out string) error {
		return func(root, out string) error {
			found, err := filepath.Glob(filepath.Join(root, "boot", pattern))
			if err != nil || len(found) != 1 {
				return errors.Join(fmt.Errorf("the Debian system has %d files /boot/%s", len(found), pattern), err)
			}
			_, err = sh(ctx, dir, "cp", found[0], out)
			return err
		}
	}
	if d.Kernel, err = file("vmlinuz", from("vmlinuz-*")); err != nil {
		return d, err
	}
	d.Initrd, err = file("initrd", from("initrd.img-*"))
	return d, err
}

// bootstrap makes the system in a new folder root below the folder that it gives.
func bootstrap(ctx context.Context, dir string) (tmp string, err error) {
	if os.Geteuid() != 0 {
		return "", errors.New("the Debian guest is made by mmdebstrap, which needs root")
	}
	if tmp, err = os.MkdirTemp(dir, "debian"); err != nil {
		return "", err
	}
	args := []string{"--quiet", "--variant=minbase", "--mode=root", "--format=dir", "--include=" + debianPackages,
		`--aptopt=Acquire::Languages "none"`}
	for _, p := range leftOut {
		args = append(args, "--dpkgopt=path-exclude="+p)
	}
	for _, hook := range []string{
		`chroot "$1" passwd --delete root`,
		`echo guest >"$1/etc/hostname"`,
		`echo "LABEL=root / ext4 defaults 0 1" >"$1/etc/fstab"`,
		`echo "nameserver 10.0.2.3" >"$1/etc/resolv.conf"`,
		`printf '[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n' >"$1/etc/systemd/network/wired.network"`,
		`chroot "$1" systemctl enable --quiet systemd-networkd`,
		`chroot "$1" systemctl disable --quiet apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer e2scrub_reap.service`,
	} {
		args = append(args, "--customize-hook="+hook)
	}
	args = append(args, debianSuite, filepath.Join(tmp, "root"))
	if _, err = sh(ctx, dir, "mmdebstrap", args...); err != nil {
		return tmp, err
	}
	return tmp, nil
}
