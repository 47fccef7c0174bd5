//! Reaching out: TCP connect, HTTP GET, DNS; and what the kernel says of routes and carriers.

/// Asks the network.
pub trait Net: Send + Sync {}
