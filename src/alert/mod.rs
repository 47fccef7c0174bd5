//! Floor 3. Judging: rule files, the state machine of alarms. It cannot read a clock or a file.

mod humanize;
mod template;
mod yaml;
