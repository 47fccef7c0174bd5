//! Topic levels that no broker and no subscriber trips over.

/// Longest level, in bytes. MQTT allows 65535 for a whole topic; mosquitto and the clouds are narrower.
const LONGEST: usize = 96;

/// One topic level made of any text: `+ # /` (MQTT 3.1.1 §4.7.1), spaces and whatever does not print become `_`, as
/// does nothing at all. Letters and digits of every script stay. At most 96 bytes.
pub fn level(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let plain = c.is_alphanumeric() || (c.is_ascii_graphic() && !matches!(c, '+' | '#' | '/'));
        let c = if plain { c } else { '_' };
        if out.len() + c.len_utf8() > LONGEST {
            break;
        }
        out.push(c);
    }
    if out.is_empty() { "_".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_must_not_hold_becomes_an_underscore() {
        for (text, safe) in [
            ("yard", "yard"),
            ("/mnt/rec 1", "_mnt_rec_1"),
            ("a+b#c\0d\u{7f}\u{ffff}", "a_b_c_d__"),
            ("Höfe~2", "Höfe~2"),
            ("", "_"),
        ] {
            assert_eq!(level(text), safe);
        }
        assert_eq!(level(&"ü".repeat(100)).len(), 96);
    }
}
