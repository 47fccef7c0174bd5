//! Alarms and camera states over MQTT: one courier per broker, each with its own cursor over the outbox.
//!
//! | topic under `<prefix>/<node>/` | retained | payload |
//! |---|---|---|
//! | `status` | yes | `online`, or `offline` (good-bye and last will) |
//! | `camera/<camera_id>` | yes | JSON, [`camera`] |
//! | `alert/<rule>/<target>` | while it fires | JSON, [`compose`] |
//! | `event` | no | the same JSON, when an alarm starts to fire and when it is resolved |
//!
//! Everything goes at QoS 1. A message may come twice and then bears the same `id`.

pub mod camera;
pub mod compose;
pub mod metrics;
pub mod outbox;
pub mod run;
pub mod settings;
pub mod topic;

/// Every `[[mqtt]]` key with its default, for `config/full.toml`.
pub static SAMPLE: &str = include_str!("sample.toml");
