//! RTSP by retina, at packet level. The last lines that know retina.

/// Opens sessions to cameras.
pub trait Dial: Send + Sync {}
