//! What stands between the parentheses of `GST_TRACERS="vedette(…)"`.

use crate::tracer::SOCKET;
use std::path::PathBuf;

#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The daemon's unix datagram socket.
    pub socket: PathBuf,
    /// Which encoder of the daemon's configuration this is; empty when nobody said so.
    pub encoder: String,
}

/// Reads `socket=PATH,encoder=ID`. What cannot be read is passed over: an encoder must not fail for it, and the daemon
/// sees a datagram without an id.
pub fn parse(params: &str) -> Settings {
    let mut settings = Settings { socket: SOCKET.into(), encoder: String::new() };
    for word in params.split(',') {
        match word.trim().split_once('=') {
            Some(("socket", path)) if !path.is_empty() => settings.socket = path.into(),
            Some(("encoder", id)) => settings.encoder = id.to_owned(),
            _ => {}
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_settings_have_a_default_and_odd_words_are_passed_over() {
        let nothing = Settings { socket: SOCKET.into(), encoder: String::new() };
        assert_eq!(parse(""), nothing);
        assert_eq!(parse("socket=,colour=red,,encoder"), nothing);
        let both = Settings { socket: "/tmp/a b.sock".into(), encoder: "front".to_owned() };
        assert_eq!(parse(" encoder=front , socket=/tmp/a b.sock"), both);
    }

    #[test]
    fn the_drop_in_for_systemd_says_what_is_the_default() {
        let drop_in = include_str!("../../config/systemd/gstreamer-encoder.conf");
        let line = drop_in.lines().find_map(|line| line.strip_prefix("Environment=\"GST_TRACERS=vedette(")).unwrap();
        let said = parse(line.strip_suffix(")\"").unwrap());
        assert_eq!(said, Settings { socket: SOCKET.into(), encoder: "front".to_owned() });
        assert!(drop_in.contains(&format!("UNIX-RECV:{SOCKET} ")), "how to look at it");
    }
}
