//! Floor 1. Words for numbers: families, series, readings, snapshots; and for alarms.

pub mod alarm;
pub mod book;
pub mod desc;
pub mod labels;
pub mod latest;
pub mod ledger;
pub mod report;
pub mod roster;
