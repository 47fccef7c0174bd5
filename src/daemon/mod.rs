//! Floor 5. The running daemon: put together, kept at work, reloaded, stopped.

pub mod aliases;
pub mod assemble;
pub mod catalogue;
pub mod config;
mod couriers;
pub mod dashboard;
mod earlier;
mod hub;
mod keeper;
mod notes;
mod process;
pub mod rules;
mod status;
mod watchdog;
