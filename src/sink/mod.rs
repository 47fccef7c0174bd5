//! Floor 4. Who hears: the page and MQTT.

pub mod mqtt;
pub mod page;
