#!/bin/sh
# What BusyBox's init runs after the scripts of a Buildroot image, as the test "a_busybox_node_…" wants it. Prints "done"
# at the end, and nothing but its trouble before.
trap '[ "$?" = 0 ] || { cat /var/log/messages; ps; }' EXIT
set -e
S99=/etc/init.d/S99vedette

# until WHAT COMMAND…: every tenth of a second, at most twenty seconds.
until_() {
	what=$1 left=200
	shift
	until "$@"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || { echo "not seen: $what"; return 1; }
		sleep 0.1
	done
}
page() { wget -qO /dev/null http://127.0.0.1:9090/readyz 2>/dev/null; }
gone() { ! pidof "$1" >/dev/null; }
logged() { [ "$(grep -c "vedette.*$1" /var/log/messages)" -ge "$2" ]; }
another() { new=$(pidof vedette) && [ "$new" != "$1" ] && page; }

until_ "a page after the boot" page
pid=$(pidof vedette)
[ "$(stat -c %u "/proc/$pid")" = 790 ]
grep -q '^Max core file size *0 *0' "/proc/$pid/limits"
until_ "its log in syslog" logged '"ready"' 1
$S99 status

$S99 start
[ "$(pidof vedette)" = "$pid" ]

kill -9 "$pid"
until_ "it runs again after a crash" another "$pid"
until_ "the log goes on over a crash" logged '"ready"' 2

$S99 reload
until_ "a reload" logged '"reloaded"' 1

pid=$(pidof vedette)
$S99 restart
until_ "a restart" another "$pid"
[ "$(pidof vedette | wc -w)" = 1 ]
until_ "a stop in good order" logged '"stopped"' 1

kill -9 "$(pidof vedette)"
until_ "it was killed" gone vedette
$S99 stop
sleep 6 # longer than the pause before it would be run again
gone vedette
until_ "the log's reader leaves" gone logger
[ ! -e /var/run/vedette.pid ]
if $S99 status || page; then exit 1; fi
$S99 start
until_ "a page after another start" page
$S99 stop
echo "done"
