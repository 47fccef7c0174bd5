//! Real parts: RTSP servers, mosquitto, Prometheus, the built binary. One test binary, so that the daemon links once.
//! Tests wait on conditions with a bound (`support::wait`), never for a fixed time.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod support;

mod broker;
mod camera;
mod canary;
mod central;
mod crowd;
mod disk;
mod encoder;
mod encoding_story;
mod faults;
mod gpu;
mod gst;
mod nic;
mod node;
mod packets;
mod playlist;
mod probing;
mod reach;
mod recording;
mod rules;
mod scrape;
mod service;
mod store;
mod story;
mod stream;
mod uplink;
mod volume;
mod web;
