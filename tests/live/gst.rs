//! `gst/` at work: encoders that report themselves through the tracer and are not disturbed by it, and streams over SRT and
//! RTMP that reach us through worker processes, some of which crash, hang, or find nobody; and the packages that bring both.

mod packaged;
mod told;
mod tracing;
mod working;
