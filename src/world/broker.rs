//! MQTT by rumqttc, behind a trait. The last lines that know rumqttc.

/// Opens connections to brokers.
pub trait Dial: Send + Sync {}
