#!/usr/bin/env bash
# Installs the emulators and boot parts that the tests and `make run` need, as
# root on Debian; otherwise says what is missing.
set -euo pipefail
declare -A need=(
	[qemu-system-x86_64]=qemu-system-x86 [bochs]=bochs [grub-mkimage]=grub-common
	[mmdebstrap]=mmdebstrap [iperf3]=iperf3 [mkfs.ext4]=e2fsprogs [mcopy]=mtools [/usr/share/ovmf/OVMF.fd]=ovmf [/usr/share/bochs/BIOS-bochs-latest]=bochsbios
	[/usr/lib/grub/i386-pc/boot.img]=grub-pc-bin [/usr/share/vgabios/vgabios.bin]=vgabios
)
missing=()
for what in "${!need[@]}"; do
	case $what in
	/*) [ -e "$what" ] ;;
	*) command -v "$what" >/dev/null ;;
	esac || missing+=("${need[$what]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "Missing: ${missing[*]} (Debian package names). Install them, or run 'make deps' as root on Debian." >&2
	exit 1
fi
echo "installing ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
