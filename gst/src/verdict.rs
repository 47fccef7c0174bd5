//! GStreamer's errors as reasons out of a closed set.

use crate::record::Reason;
use gstreamer::StreamError;
use gstreamer::glib;

/// Words of srtsrc, rtmp2src, GIO and libsrt (GStreamer 1.22) in lower case, and what they mean. The first that is found
/// counts: a name that cannot be resolved is told as a failed connection too.
const WORDS: &[(&str, Reason)] = &[
    ("failed to resolve", Reason::Name),
    ("error resolving", Reason::Name),
    ("authenticat", Reason::Denied),
    ("authoriz", Reason::Denied),
    ("passphrase", Reason::Denied),
    ("connection refused", Reason::Refused),
    ("reject", Reason::Refused),
    ("streamnotfound", Reason::Refused),
    ("timeout", Reason::Unreachable),
    ("timed out", Reason::Unreachable),
    ("unreachable", Reason::Unreachable),
    ("no route to host", Reason::Unreachable),
    ("broken", Reason::Ended),
    ("closed", Reason::Ended),
    ("reset by peer", Reason::Ended),
];

/// What an ERROR message means; `said` is its text and its debug text.
pub fn of(error: &glib::Error, said: &str) -> Reason {
    let said = said.to_lowercase();
    let known = WORDS.iter().find(|(word, _)| said.contains(word)).map(|(_, reason)| *reason);
    known.unwrap_or(match error.kind::<StreamError>() {
        Some(StreamError::CodecNotFound) => Reason::NotInstalled,
        Some(_) => Reason::Malformed,
        None => Reason::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gstreamer::ResourceError;

    #[test]
    fn errors_as_gstreamer_1_22_words_them() {
        for (said, reason) in [
            ("Could not read from resource. Error on SRT socket: Connection timeout", Reason::Unreachable),
            ("Failed to open SRT: Failed to resolve host 'nohost.invalid': Name or service not known", Reason::Name),
            ("Could not read from resource. Failed to authenticate: Incorrect passphrase", Reason::Denied),
            ("Connection refused: Could not connect to 127.0.0.1: Connection refused", Reason::Refused),
            ("Failed to connect: Error resolving “nohost.invalid”: Name or service not known", Reason::Name),
            ("Internal data stream error.", Reason::Other),
        ] {
            assert_eq!(of(&glib::Error::new(ResourceError::Read, ""), said), reason, "{said}");
        }
        assert_eq!(of(&glib::Error::new(StreamError::Demux, ""), "no FLV"), Reason::Malformed);
    }
}
