#!/usr/bin/python3
"""An RTSP camera made of GStreamer: a live test picture, encoded and served, and the truth about what was sent.

Prints JSON lines on standard output: first {"event": "ready", "url": ...}, then {"event": "counts", ...} every second
and once more at the end. Counts are of the whole run and of what left the payloader: frames, keyframes, packets, bytes
(RTP header and payload), dropped (packets left out on purpose and followed by one that was sent, so that a receiver
can know of them), and of the server: sessions open now, plays and teardowns so far.

Needs the Debian packages python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-{base,good,ugly,bad}.
"""

import argparse
import json
import os
import signal
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate} key-int-max={gop}"
    " ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate} key-int-max={gop}"
    " ! rtph265pay name=pay0 pt=96 config-interval=-1",
}


def arguments():
    parser = argparse.ArgumentParser(description="An RTSP camera made of GStreamer, with true counts on stdout.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8554, help="port to listen on (%(default)s)")
    parser.add_argument("--path", default="/main", help="path of the stream (%(default)s)")
    parser.add_argument("--codec", choices=sorted(ENCODERS), default="h264", help="(%(default)s)")
    parser.add_argument("--fps", type=int, default=25, help="frames per second (%(default)s)")
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT in pixels (%(default)s)")
    parser.add_argument("--bitrate", type=int, default=1000, help="kbit/s (%(default)s)")
    parser.add_argument("--gop", type=int, help="frames from keyframe to keyframe (two seconds' worth)")
    parser.add_argument("--drop-every", type=int, metavar="N", help="leave out every Nth RTP packet")
    parser.add_argument("--die-after", type=float, metavar="SECONDS", help="exit without a word after so long")
    parser.add_argument("--login", metavar="USER:PASSWORD", help="ask for this login (Digest)")
    return parser.parse_args()


class Counts:
    """What left the payloader."""

    def __init__(self, drop_every):
        self.drop_every = drop_every
        self.frames = self.keyframes = self.packets = self.bytes = self.dropped = 0
        self.sessions = self.plays = self.teardowns = 0
        self._seen = self._open = 0

    def on_frame(self, _pad, info):
        self.frames += 1
        if not info.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT):
            self.keyframes += 1
        return Gst.PadProbeReturn.OK

    def on_packet(self, pad, info):
        if info.type & Gst.PadProbeType.BUFFER_LIST:
            # A list cannot be thinned out in Python: send its packets one by one, each through this probe.
            packets = info.get_buffer_list()
            for n in range(packets.length()):
                pad.push(packets.get(n).copy())
            return Gst.PadProbeReturn.DROP
        self._seen += 1
        if self.drop_every and self._seen % self.drop_every == 0:
            self._open += 1
            return Gst.PadProbeReturn.DROP
        self.dropped += self._open
        self._open = 0
        self.packets += 1
        self.bytes += info.get_buffer().get_size()
        return Gst.PadProbeReturn.OK

    def tell(self):
        told = {"event": "counts", "at": round(time.monotonic(), 3)}
        told.update((name, n) for name, n in vars(self).items() if not name.startswith("_") and name != "drop_every")
        print(json.dumps(told), flush=True)
        return True


def factory(args, counts):
    width, height = args.size.split("x")
    encoder = ENCODERS[args.codec].format(bitrate=args.bitrate, gop=args.gop or 2 * args.fps)
    made = GstRtspServer.RTSPMediaFactory()
    made.set_shared(True)
    made.set_launch(
        f"( videotestsrc is-live=true pattern=ball motion=sweep ! video/x-raw,format=I420,width={width},height={height},"
        f"framerate={args.fps}/1 ! {encoder} )"
    )

    def configure(_factory, media):
        payloader = media.get_element().get_by_name("pay0")
        payloader.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, counts.on_frame)
        both = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
        payloader.get_static_pad("src").add_probe(both, counts.on_packet)

    made.connect("media-configure", configure)
    return made


def ask_login(server, made, login):
    user, password = login.split(":", 1)
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for allowed in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", allowed, True)
    made.set_permissions(permissions)


def main():
    args = arguments()
    Gst.init(None)
    counts = Counts(args.drop_every)
    server = GstRtspServer.RTSPServer()
    server.set_address(args.host)
    server.set_service(str(args.port))
    made = factory(args, counts)
    if args.login:
        ask_login(server, made, args.login)
    server.get_mount_points().add_factory(args.path, made)

    def add(name, n):
        setattr(counts, name, getattr(counts, name) + n)

    def connected(_server, client):
        client.connect("new-session", lambda *_: add("sessions", 1))
        client.connect("play-request", lambda *_: add("plays", 1))
        client.connect("teardown-request", lambda *_: add("teardowns", 1))

    server.connect("client-connected", connected)
    server.get_session_pool().connect("session-removed", lambda *_: add("sessions", -1))
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on {args.host}:{args.port}")
    print(json.dumps({"event": "ready", "url": f"rtsp://{args.host}:{args.port}{args.path}"}), flush=True)

    loop = GLib.MainLoop()
    GLib.timeout_add_seconds(1, counts.tell)
    GLib.timeout_add_seconds(5, lambda: server.get_session_pool().cleanup() or True)
    if args.die_after:
        GLib.timeout_add(int(args.die_after * 1000), lambda: counts.tell() and os._exit(1))
    for stop in (signal.SIGINT, signal.SIGTERM):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, stop, loop.quit)
    loop.run()
    counts.tell()


if __name__ == "__main__":
    main()
