//! The tracer plugin: any GStreamer program reports its encoders, sinks and queues to Vedette, without a change to it.
//!
//! ```text
//! GST_TRACERS="vedette(encoder=front)"
//! ```
//!
//! The hooks run inside the encoder's streaming threads. They add to relaxed atomics ([`slot`]) found through an index
//! that hangs on the pad, and do nothing else: no allocation, no log, no panic that leaves them, and no lock but the bit by
//! which GLib guards what hangs on an object while it looks. A thread of our own ([`teller`]) reads the atomics once a
//! second and sends one datagram, without ever waiting for who receives it.

#[path = "../../src/wire/tracer.rs"]
#[allow(dead_code)] // the reader's half is the daemon's
mod tracer;

mod hooks;
mod settings;
mod slot;
mod teller;

use gstreamer::glib;
use gstreamer::prelude::*;

fn plugin_init(plugin: &gstreamer::Plugin) -> Result<(), glib::BoolError> {
    gstreamer::Tracer::register(Some(plugin), "vedette", hooks::Tracer::static_type())
}

gstreamer::plugin_define!(
    vedette,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    env!("CARGO_PKG_VERSION"),
    "Apache 2.0",
    "vedette",
    "vedette-gst",
    "https://vedette.invalid/",
    "2026-11-21"
);
