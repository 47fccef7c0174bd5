#!/bin/bash
# A Debian 12 machine for the VM test: OUT gets vmlinuz, root.ext4 (to be mounted read-only) and data.ext4 (/var/lib,
# the package database included). The cloud kernel boots in half the time and has no driver for a server's parts; those
# are with server.vmlinuz and server.initrd. Needs root, mmdebstrap and e2fsprogs. About two minutes.
set -euo pipefail
out=$1
root=$out/root

sources=/etc/apt/sources.list.d/debian.sources
[ -e "$sources" ] || sources=/etc/apt/sources.list

rm -rf "$out"
mkdir -p "$out"
INITRD=No mmdebstrap --quiet --variant=minbase --aptopt='APT::Install-Recommends "false"' \
	--include=systemd,systemd-sysv,udev,iproute2,kmod,linux-image-cloud-amd64,linux-image-amd64 \
	--include=mdadm,smartmontools,prometheus-node-exporter \
	bookworm "$root" "$sources"

# Without a time server the clock of the guest is what QEMU says.
echo node >"$root/etc/hostname"
: >"$root/etc/machine-id"
rm -rf "$root/var/cache/apt" "$root"/usr/share/{doc,man,locale}

cat >"$root/etc/fstab" <<'E2'
LABEL=data /var/lib ext4 rw,noatime 0 0
tmpfs /tmp tmpfs size=64m 0 0
tmpfs /var/log tmpfs size=32m 0 0
tmpfs /var/tmp tmpfs size=32m 0 0
E2
mkdir -p "$root/etc/systemd/journald.conf.d"
cat >"$root/etc/systemd/journald.conf.d/volatile.conf" <<'E2'
[Journal]
Storage=volatile
E2
cat >"$root/etc/systemd/network/eth.network" <<'E2'
[Match]
Name=en* eth*
[Network]
DHCP=ipv4
E2
# A root shell on the serial line, without colours and bracketed paste: the test types there.
mkdir -p "$root/etc/systemd/system/serial-getty@ttyS0.service.d"
cat >"$root/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf" <<'E2'
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 %I dumb
E2
cat >"$root/root/.bash_profile" <<'E2'
stty -echo cols 500
bind 'set enable-bracketed-paste off' 2>/dev/null
export SYSTEMD_PAGER= SYSTEMD_COLORS=0 DEBIAN_FRONTEND=noninteractive
PS1=
echo vedette-vm-shell
E2
chroot "$root" systemctl --quiet enable systemd-networkd
# What a read-only root makes slow or noisy. logind alone keeps a shutdown waiting for most of a minute.
chroot "$root" systemctl --quiet mask systemd-logind.service getty@tty1.service systemd-networkd-wait-online.service \
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
# What stories start themselves, if at all.
chroot "$root" systemctl --quiet disable smartmontools.service prometheus-node-exporter.service mdmonitor-oneshot.timer \
	mdcheck_start.timer mdcheck_continue.timer

# Only what finds the root: an initrd with all drivers takes emulation half a minute to unpack.
printf 'nvme\next4\ncrc32c_generic\n' >"$root/etc/initramfs-tools/modules"
sed -i 's/^MODULES=.*/MODULES=list/' "$root/etc/initramfs-tools/initramfs.conf"
server=$(basename "$root"/boot/vmlinuz-*[0-9]-amd64)
chroot "$root" mkinitramfs -o /boot/initrd "${server#vmlinuz-}"
# Half of the drivers are for what no recorder has.
for part in drivers/{gpu,media,infiniband,staging,net/wireless,iio} sound; do
	rm -rf "$root/lib/modules/${server#vmlinuz-}/kernel/$part"
done
chroot "$root" depmod "${server#vmlinuz-}"

mv "$root/boot/initrd" "$out/server.initrd"
cp "$root/boot/$server" "$out/server.vmlinuz"
cp "$root"/boot/vmlinuz-*-cloud-amd64 "$out/vmlinuz"
rm -rf "${root:?}"/boot/*
mv "$root/var/lib" "$out/lib"
mkdir "$root/var/lib"
truncate -s 1200M "$out/root.ext4"
mke2fs -q -F -t ext4 -L root -d "$root" "$out/root.ext4"
truncate -s 256M "$out/data.ext4"
mke2fs -q -F -t ext4 -L data -d "$out/lib" "$out/data.ext4"
rm -rf "$root" "${out:?}/lib"
