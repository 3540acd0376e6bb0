package artefacts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Debian is a Debian system with systemd, as debootstrap makes it: a kernel for
// virtual machines with its initial RAM disk, and a disk with one ext4 file system,
// labelled root. On it are the programs that the cases run. root has no password.
type Debian struct{ Kernel, Initrd, Disk string }

// ArchiveName is the archive with the three files that a boot loader brings.
const ArchiveName = "debian-files.cpio"

const (
	debianSuite    = "bookworm"
	debianPackages = "systemd-sysv,udev,dbus,kmod,iproute2,iputils-ping,netbase,e2fsprogs,initramfs-tools,zstd," +
		kernelPackage + ",fio,stress-ng,rt-tests,iperf3,linux-perf"
	// debianDisk is the size of the disk. Firmware reads all of it from a boot disk,
	// in Bochs 4.6 MB in a second: little of it is free.
	debianDisk = "352M"
	// debianVersion is part of the names: another recipe needs another one, because
	// a file that is there is not made again.
	debianVersion = "3"
)

// leftOut are files of packages that no case needs, by their names in the packages,
// and that nothing needs while the system is made.
var leftOut = strings.Fields(`/usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/info/* /usr/share/zoneinfo/*
	/usr/share/X11/* /lib/udev/hwdb.d/* /lib/modules/*/kernel/sound/* /lib/modules/*/kernel/arch/x86/kvm/*
	/usr/lib/x86_64-linux-gnu/gconv/*`)

// removed are files that go once the system is made.
var removed = strings.Fields(`usr/share/perl usr/lib/x86_64-linux-gnu/perl usr/bin/perl* usr/lib/python3* usr/share/python3 usr/bin/python3*
	usr/lib/udev/hwdb.bin var/cache/apt var/lib/apt/lists var/lib/dpkg/info usr/share/bash-completion usr/share/pmdk
	usr/lib/modules/*/kernel/drivers/infiniband usr/lib/modules/*/kernel/drivers/media
	usr/lib/modules/*/kernel/drivers/xen usr/lib/modules/*/kernel/drivers/hv usr/lib/modules/*/kernel/drivers/gpu
	usr/lib/modules/*/kernel/drivers/net/ethernet usr/lib/modules/*/kernel/drivers/scsi usr/lib/modules/*/kernel/drivers/target
	usr/lib/modules/*/kernel/drivers/usb usr/lib/modules/*/kernel/drivers/md usr/lib/modules/*/kernel/fs/btrfs
	usr/lib/modules/*/kernel/fs/xfs usr/lib/modules/*/kernel/fs/smb usr/lib/modules/*/kernel/fs/ceph usr/lib/modules/*/kernel/fs/ocfs2
	usr/lib/modules/*/kernel/fs/nfs usr/lib/modules/*/kernel/fs/nfsd usr/lib/modules/*/kernel/fs/gfs2 usr/lib/modules/*/kernel/fs/jfs`)

// masked are units that no case needs and that cost an emulated machine seconds.
var masked = strings.Fields(`getty@tty1.service getty-static.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
	systemd-pstore.service modprobe@drm.service modprobe@efi_pstore.service modprobe@dm_mod.service modprobe@loop.service modprobe@fuse.service
	dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dpkg-db-backup.timer
	apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-firstboot.service
	systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-machine-id-commit.service`)

// initrdModules are all that the initial RAM disk needs.
const initrdModules = "virtio_pci virtio_blk ext4 crc32c"

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
		if _, err := sh(ctx, dir, "mkfs.ext4", "-q", "-F", "-L", "root", "-m", "0", "-d", root, out+".part", debianDisk); err != nil {
			return err
		}
		return os.Rename(out+".part", out)
	}); err != nil {
		return d, err
	}
	from := func(name string) func(root, out string) error {
		return func(root, out string) error { return os.Rename(filepath.Join(filepath.Dir(root), name), out) }
	}
	if d.Kernel, err = file("vmlinuz", from("vmlinuz")); err != nil {
		return d, err
	}
	d.Initrd, err = file("initrd", from("initrd"))
	return d, err
}

// bootstrap makes the system in a new folder root below the folder that it gives,
// with its vmlinuz and initrd beside it.
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
		`: >"$1/etc/fstab"`,                                    // the command line alone says how / is mounted
		`echo "nameserver 192.168.99.3" >"$1/etc/resolv.conf"`, // of the network "nat"
		`printf '[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n' >"$1/etc/systemd/network/wired.network"`,
		`chroot "$1" systemctl enable --quiet systemd-networkd`,
		`chroot "$1" systemctl mask --quiet ` + strings.Join(masked, " "),
		`echo MODULES=list >"$1/etc/initramfs-tools/conf.d/list"`,
		`printf '%s\n' ` + initrdModules + ` >>"$1/etc/initramfs-tools/modules"`,
		`chroot "$1" update-initramfs -u -k all`,
		`cd "$1" && rm -rf ` + strings.Join(removed, " "),
		`cp --dereference "$1"/boot/vmlinuz-* "$1/../vmlinuz" && cp "$1"/boot/initrd.img-* "$1/../initrd" && rm -r "$1"/boot/*`,
	} {
		args = append(args, "--customize-hook="+hook)
	}
	args = append(args, debianSuite, filepath.Join(tmp, "root"))
	if _, err = sh(ctx, dir, "mmdebstrap", args...); err != nil {
		return tmp, err
	}
	return tmp, nil
}
