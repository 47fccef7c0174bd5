//! Floor 0. Words every floor needs; nothing here knows what a camera is.

pub mod backoff;
pub mod base64;
pub mod clock;
pub mod fault;
pub mod label;
pub mod pulse;
pub mod quit;
pub mod ring;
pub mod secret;
pub mod settings;
