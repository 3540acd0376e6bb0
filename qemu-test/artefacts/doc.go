// Package artefacts gets what guests boot: Debian's kernel for virtual machines
// and Debian's Xen (apt-get download: no root, the package lists of this computer)
// a Debian system with systemd on a disk (mmdebstrap: root),
// and a u-root initramfs, whose module is in initramfs/, apart from the kernel's
// dependencies. Everything is kept in one folder and made once.
//
// World: the developer's computer.
package artefacts
