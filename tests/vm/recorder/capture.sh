#!/bin/bash
# Prints what the node probe and node_exporter read of this machine, as a tree of files in one text (the shape that
# tests/live/node/tree.rs takes): tests/vm/recorder/capture.sh 'What stands here.' >src/probe/node/testdata/NAME/tree.txt
#
# What tells one machine from another is replaced: MAC addresses by those for documentation (RFC 7042 section 2.1.2), IPv4
# addresses by 192.0.2.0/24, serial numbers, world-wide names and UUIDs by numbers.
set -euo pipefail
shopt -s nullglob
declare -A told=()

# The links on the way to a file, and what the file says. A file that refuses to be read, or is empty, is left out.
take() {
	local path=/$1 at='' rest=$1 part text
	while [ -n "$rest" ]; do
		part=${rest%%/*}
		case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
		path=$at/$part
		# Below proc links lead to whoever asks.
		if [ -L "$path" ] && [ "${1%%/*}" != proc ]; then
			if [ -z "${told[$path]:-}" ]; then
				told[$path]=yes
				echo "== ${path#/} -> $(readlink "$path")"
			fi
			at=$(realpath "$path")
		else
			at=$path
		fi
	done
	[ -z "${told[$at]:-}" ] && [ -f "$at" ] && [ -r "$at" ] || return 0
	told[$at]=yes
	text=
	IFS= read -r -d '' text 2>/dev/null <"$at" || true
	[ -z "${text//[$' \n']/}" ] || printf '== %s\n%s\n' "${at#/}" "${text%$'\n'}"
}

files() {
	local file
	for file; do take "$file"; done
}

mask() {
	awk '
		function known(kind, text) {
			if (!((kind, text) in number)) number[kind, text] = ++count[kind]
			return number[kind, text]
		}
		/^== / { file = $2 }
		/^== / || file ~ /^root/ { print; next }
		file ~ /\/serial$/ || /^E:(ID_SERIAL_SHORT|ID_WWN|ID_FS_UUID|DM_UUID)=/ {
			key = /=/ ? substr($0, 1, index($0, "=")) : ""
			print key "MASKED" known("serial", substr($0, length(key) + 1))
			next
		}
		# Both ends of sockets, in hexadecimal; the queues are what is read.
		file ~ /^proc\/net\/udp/ && NR > 1 { gsub(/[0-9A-F]+:[0-9A-F][0-9A-F][0-9A-F][0-9A-F] /, "00000000:0000 ") }
		{
			out = ""
			rest = $0
			mac = "[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]"
			while (match(rest, mac)) {
				text = substr(rest, RSTART, RLENGTH)
				if (text != "00:00:00:00:00:00" && text != "ff:ff:ff:ff:ff:ff")
					text = sprintf("00:00:5e:00:53:%02x", known("mac", text))
				out = out substr(rest, 1, RSTART - 1) text
				rest = substr(rest, RSTART + RLENGTH)
			}
			line = out rest
			if (file == "proc/net/arp" && line ~ /^[0-9]/) sub(/^[0-9.]+ */, sprintf("192.0.2.%-8d", known("ip", $1)), line)
			print line
		}'
}

everything() {
	echo "$1"
	echo "Captured by tests/vm/recorder/capture.sh on Linux $(uname -r)."
	echo

	cd /
	files proc/{stat,loadavg,meminfo,vmstat,diskstats,mdstat} proc/1/{mounts,mountinfo} proc/pressure/* \
		proc/net/{dev,arp,netstat,snmp,snmp6,sockstat,sockstat6,softnet_stat,udp,udp6} proc/net/stat/nf_conntrack \
		proc/sys/net/netfilter/nf_conntrack_{count,max} proc/sys/fs/file-nr proc/sys/kernel/random/{entropy_avail,poolsize}
	# An interface's own attributes, not those of its device and its queues.
	files sys/class/net/bonding_masters sys/class/net/*/* sys/class/net/*/statistics/* sys/class/net/*/bonding/slaves \
		sys/class/net/*/lower_*/bonding_slave/mii_status
	for chip in sys/class/hwmon/hwmon*; do
		files "$chip"/* "$chip"/device/{in,cpu,fan,pwm,temp,curr,power,energy,humidity}[0-9]*
	done
	files sys/class/nvme/*/{firmware_rev,model,serial,state}
	files sys/class/thermal/thermal_zone*/{type,temp,policy,mode,passive} sys/class/thermal/cooling_device*/{type,cur_state,max_state}
	files sys/devices/system/edac/mc/mc*/*_count sys/devices/system/edac/mc/mc*/csrow*/*_count
	files sys/devices/system/clocksource/clocksource*/{available,current}_clocksource sys/devices/system/cpu/isolated
	for cpu in sys/devices/system/cpu/cpu[0-9]*; do
		files "$cpu"/topology/{core_id,physical_package_id} "$cpu"/thermal_throttle/*_count "$cpu"/cpufreq/{cpuinfo,scaling}_*
	done

	# Notes of udev, without the keys that nobody reads.
	for note in run/udev/data/b*; do
		echo "== udev/${note##*/}"
		grep -E '^E:(ID_(PATH|WWN|MODEL|SERIAL_SHORT|REVISION|ATA.*|FS_(TYPE|USAGE|UUID|VERSION))|DM_(NAME|UUID|VG_NAME|LV_NAME|LV_LAYER))=' \
			"$note" || true
	done
	# Mount points, so that they can be asked for their size.
	while read -r _ _ _ _ point _; do
		[ "$point" = / ] || echo "== root$point/"
	done <proc/1/mountinfo | sort -u
	echo '== root/etc/os-release'
	cat etc/os-release
	# No files of text.
	echo '== texts/'
}

everything "${1:-}" | mask
