#!/bin/sh
# An encoder as its journal has it: says what comes through /run/words, and at the word `trouble` what FFmpeg says of a
# camera and a stream in trouble, with the password of its command line.
test -p /run/words || mkfifo /run/words
exec 3<>/run/words
while read -r line <&3; do
	if [ "$line" != trouble ]; then
		echo "$line" >&2
		continue
	fi
	cat >&2 <<'E'
[rtsp @ 0x55d] [error] method DESCRIBE failed: 401 Unauthorized
[error] rtsp://root:canary-pass@192.0.2.20/stream: Server returned 401 Unauthorized (authorization failed)
[rtsp @ 0x55d] [warning] RTP: missed 3 packets
[rtsp @ 0x55d] [warning] max delay reached. need to consume packet
[mp4 @ 0x55d] [warning] Non-monotonous DTS in output stream 0:0; previous: 2, current: 1; changing to 3.
[mpegts @ 0x55d] [warning] Stream 1, codec scte_35, is muxed as a private data stream and may not be recognized upon reading.
E
done
