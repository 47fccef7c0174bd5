//! Vedette, the sentry on a recording node. The ladder, lowest floor first; a module names only lower floors, and
//! `tests/floors.rs` holds it to that. What each floor is for stands in its module doc and in ARCHITECTURE.md.

// Floor 0
pub mod base;
// Floor 1
pub mod metric;
pub mod wire;
// Floor 2
pub mod query;
pub mod world;
// Floor 3
pub mod alert;
pub mod probe;
pub mod store;
// Floor 4
pub mod sink;
// Floor 5
pub mod daemon;
// Floor 6
pub mod cli;
