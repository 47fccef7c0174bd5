#!/bin/sh
# The root is read-only. What changes under /var goes to the partition labelled "data"; a node without one runs from
# memory and forgets at a power cut.
set -eu

grep -q LABEL=data "$1/etc/fstab" ||
	echo "LABEL=data /run/buildroot/mounts/var ext4 rw,noatime,nofail,x-systemd.device-timeout=10s 0 2" >>"$1/etc/fstab"
