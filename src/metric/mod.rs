//! Floor 1. Words for numbers: families, series, readings, snapshots; and for alarms and what else happens.

pub mod alarm;
pub mod book;
pub mod cues;
pub mod desc;
pub mod histogram;
pub mod labels;
pub mod latest;
pub mod ledger;
pub mod memory;
pub mod names;
pub mod note;
pub mod panel;
pub mod reading;
pub mod report;
pub mod roster;
pub mod shelf;
pub mod uses;
