//! Transport streams made for tests: a base by ffmpeg at a constant rate, SCTE-35 sections put in the place of its null
//! packets, faults made on purpose, sent at the pace of its own clock. Nothing here comes from `src/wire`: what tests the
//! decoder must not share its mistakes.

pub mod clip;
pub mod sections;
pub mod send;
