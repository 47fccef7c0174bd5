//! Floor 5. The running daemon: put together, kept at work, reloaded, stopped.

pub mod assemble;
pub mod catalogue;
pub mod config;
mod hub;
mod keeper;
mod status;
mod watchdog;
