//! A `[[nic]]` table, read.

use crate::base::label::Label;
use crate::base::settings::Table;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(5);
/// IFNAMSIZ without the NUL.
const LONGEST_NAME: usize = 15;
/// Members of one bond or bridge; a switch has no more ports than that.
const MOST_MEMBERS: usize = 64;
const SPEED: &str = "write the speed of the link, such as \"100Mbit\", \"1Gbit\", \"2.5Gbit\" or \"10Gbit\"";

/// How both ends talk.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Duplex {
    Full,
    Half,
}

impl Label for Duplex {
    const ALL: &'static [Self] = &[Duplex::Full, Duplex::Half];
    fn label(self) -> &'static str {
        match self {
            Duplex::Full => "full",
            Duplex::Half => "half",
        }
    }
}

/// One interface to watch. Its Debug is what a reload compares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) interface: String,
    /// Bit/s that the link should have.
    pub(super) speed: Option<f64>,
    pub(super) duplex: Option<Duplex>,
    /// Of a bond or bridge: interfaces that should be in it.
    pub(super) members: Vec<String>,
    pub(super) every: Duration,
}

pub(super) fn read(table: &Table<'_>) -> Option<Settings> {
    let second = Duration::from_secs(1);
    let interface = table.need_text("interface").filter(|name| {
        let good = is_name(name);
        if !good {
            let what = format!("{name:?} is no name of an interface");
            table.mistake("interface", what, "write it as `ip link` shows it, such as \"eth0\" or \"enp3s0\"");
        }
        good
    });
    let speed = table.text("speed").and_then(|text| {
        let speed = speed(&text);
        if speed.is_none() {
            table.mistake("speed", format!("`speed` is {text:?}"), SPEED);
        }
        speed
    });
    let members = table.texts("members");
    for (n, member) in members.iter().enumerate() {
        if !is_name(member) || Some(member) == interface.as_ref() {
            let what = format!("{member:?} can be no member of it");
            table.mistake("members", what, "write the interfaces in this bond or bridge, as `ip link` shows them");
        } else if members[..n].contains(member) {
            table.mistake("members", format!("{member:?} is there twice"), "write it once");
        }
    }
    if members.len() > MOST_MEMBERS {
        let what = format!("{} members are too many", members.len());
        table.mistake("members", what, format!("write at most {MOST_MEMBERS}"));
    }
    let duplex = table.choice("duplex");
    let every = table.duration("every", second..=3600 * second).unwrap_or(EVERY);
    Some(Settings { interface: interface?, speed, duplex, members, every })
}

/// What the kernel takes for a name (dev_valid_name()), without the labels of old addresses such as `eth0:1`, which are no
/// interfaces.
fn is_name(name: &str) -> bool {
    let fits = (1..=LONGEST_NAME).contains(&name.len()) && name != "." && name != "..";
    fits && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b':')
}

/// `1Gbit`, `100Mbit/s`, `2.5 gbit`: bit/s, from 1 Mbit/s to 1 Tbit/s.
fn speed(text: &str) -> Option<f64> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix("/s").unwrap_or(&text);
    let (number, worth) = match (text.strip_suffix("mbit"), text.strip_suffix("gbit")) {
        (Some(number), _) => (number, 1e6),
        (_, Some(number)) => (number, 1e9),
        _ => return None,
    };
    let number = number.trim_end();
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let speed = number.parse::<f64>().ok().filter(|_| plain)? * worth;
    (1e6..=1e12).contains(&speed).then_some(speed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings;

    fn mistakes(text: &str) -> String {
        let (_, mistakes) = settings::read(text, |table| {
            read(&table);
            table.finish();
        });
        mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn speeds_are_written_as_the_trade_writes_them() {
        for (text, bits) in [("1Gbit", 1e9), ("100Mbit/s", 1e8), ("2.5 gbit", 2.5e9), ("10GBIT", 1e10)] {
            assert_eq!(speed(text), Some(bits), "{text}");
        }
        for wrong in ["", "1000", "1G", "1GB", "1gbyte", "0Mbit", "-1Gbit", "1e3Mbit", "infGbit", "gbit", "1.2.3Gbit"] {
            assert_eq!(speed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn mistakes_say_what_to_write_instead() {
        for (text, wanted) in [
            ("speed = \"1Gbit\"", "`interface` is missing"),
            ("interface = \"eth0:1\"", "\"eth0:1\" is no name of an interface; write it as `ip link` shows it"),
            ("interface = \"a-name-too-long0\"", "no name of an interface"),
            ("interface = \"eth0\"\nspeed = \"1000\"", "2:9: error: `speed` is \"1000\"; write the speed of the link"),
            ("interface = \"eth0\"\nspeed = 1000", "write a text in quotes"),
            ("interface = \"eth0\"\nduplex = \"auto\"", "write one of \"full\", \"half\""),
            ("interface = \"bond0\"\nmembers = [\"bond0\"]", "\"bond0\" can be no member of it"),
            ("interface = \"bond0\"\nmembers = [\"a\", \"a\"]", "\"a\" is there twice"),
            ("interface = \"eth0\"\nspede = \"1Gbit\"", "did you mean `speed`?"),
            ("interface = \"eth0\"\nevery = \"1ms\"", "a duration from \"1s\" to \"1h\""),
        ] {
            let told = mistakes(text);
            assert!(told.contains(wanted), "{text}: {told}");
        }
        let good = "interface = \"eth0.10\"\nspeed = \"1Gbit\"\nduplex = \"full\"\nmembers = [\"a\"]\nevery = \"2s\"";
        assert_eq!(mistakes(good), "");
    }
}
