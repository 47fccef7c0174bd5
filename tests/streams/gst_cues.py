#!/usr/bin/env python3
"""A live encoder with SCTE-35 cues over UDP, and SRT too if asked, made of GStreamer. Says on stdout, one JSON line each,
when a cue was handed to the multiplexer: `sent` is the running time of the picture before which it was, `at` that of its
splice point, seconds. In the stream every time is 3600 s later. There is no sound: on a busy machine the multiplexer
would wait for it with the pictures and not with the cues."""
import argparse, json, sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstMpegts", "1.0")
from gi.repository import Gst, GLib, GstMpegts

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--srt", help="srt:// URL to send to as well")
parser.add_argument("--repeat", type=float, help="begin the plan again every so many seconds, more than 27")
args = parser.parse_args()

PID = 500
# x264enc lets its timestamps begin at 1000 h, so that none is below zero.
X264 = 3_600_000
# When it is sent, what, its splice point, its duration.
PLAN = [(3, "out", 9, 5), (11, "in", 14, None), (17, "out", 23, 4), (24, "in", 27, None)]

Gst.init(None)
GstMpegts.initialize()
pipeline = Gst.parse_launch(f"""
    videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1
        ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=50 ! video/x-h264,profile=baseline ! h264parse ! mux.
    mpegtsmux name=mux scte-35-pid={PID} scte-35-null-interval=450000 alignment=7
        ! tee name=out ! queue ! udpsink host={args.host} port={args.port} multicast-iface=lo sync=false
    {'out. ! queue ! srtsink name=srt wait-for-connection=false sync=false' if args.srt else ''}""")
if args.srt:
    pipeline.get_by_name("srt").set_property("uri", args.srt)
mux = pipeline.get_by_name("mux")
plan = list(PLAN)


def picture(pad, info):
    now = info.get_buffer().pts / Gst.SECOND - X264
    if plan and now >= plan[0][0]:
        at_first, what, at, duration = plan.pop(0)
        if args.repeat:
            plan.append((at_first + args.repeat, what, at + args.repeat, duration))
        if what == "out":
            sit = GstMpegts.scte_splice_out_new(7, int(at * Gst.SECOND), duration * Gst.SECOND)
        else:
            sit = GstMpegts.scte_splice_in_new(7, int(at * Gst.SECOND))
        section = GstMpegts.section_from_scte_sit(sit, PID)
        mux.send_event(GstMpegts.event_new_mpegts_section(section))
        print(json.dumps({"what": what, "sent": now, "at": at, "duration": duration}), flush=True)
    return Gst.PadProbeReturn.OK


video = next(pad for pad in mux.sinkpads if pad.get_peer().get_parent_element().get_factory().get_name() == "h264parse")
video.add_probe(Gst.PadProbeType.BUFFER, picture)
pipeline.set_state(Gst.State.PLAYING)
loop = GLib.MainLoop()
bus = pipeline.get_bus()
bus.add_signal_watch()
bus.connect("message::error", lambda _, m: (print(m.parse_error(), file=sys.stderr), loop.quit()))
loop.run()
pipeline.set_state(Gst.State.NULL)
