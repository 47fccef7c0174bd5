//! Everything that is said once in the code and printed from it: metric families, sample configuration, rules.

use crate::alert;
use crate::daemon::{aliases, hub, keeper, notes, process, rules};
use crate::metric::desc::{Family, Kind};
use crate::metric::names::Names;
use crate::probe::{self, KINDS, Target};
use crate::sink::{mqtt, page};
use crate::store;

/// Sections of METRICS.md: what they are about, and their families.
pub fn families() -> Vec<(&'static str, &'static [Family])> {
    let probes = KINDS.iter().map(|k| (k.about, k.families));
    let own: [(&str, &[Family]); 10] = [
        ("Probes at work", keeper::FAMILIES),
        ("The daemon itself", hub::FAMILIES),
        ("What targets note", notes::FAMILIES),
        ("The daemon as a process", process::FAMILIES),
        ("Rules and alarms", alert::FAMILIES),
        ("Rule files", rules::FAMILIES),
        ("What is remembered", store::FAMILIES),
        ("MQTT", mqtt::metrics::FAMILIES),
        ("The page", page::FAMILIES),
        ("Names that existing dashboards use", &aliases::FAMILIES),
    ];
    probes.chain(own).collect()
}

/// Names of all series that a box with these targets can export, with or without its aliases: what a rule may name to be
/// judged here.
pub fn names(with_aliases: bool, targets: &[(&'static probe::Kind, Target)]) -> Names {
    let families = families().into_iter().flat_map(|(_, all)| all);
    let alias = |f: &Family| aliases::FAMILIES.iter().any(|a| a.name == f.name);
    let ours = families.filter(|f| with_aliases || !alias(f)).flat_map(Family::names);
    ours.chain(targets.iter().flat_map(|(_, target)| target.learns.clone())).collect()
}

/// Every configuration key with its default, commented out.
pub fn full_config() -> String {
    let mut text = String::from(
        "# Every key of Vedette's configuration with its default, printed by `vedette print config`.\n\
         # Uncomment what should differ. `vedette check FILE` reports all mistakes at once.\n\
         # A relative path is taken from the directory of this file.\n\n",
    );
    let own = [include_str!("sample.toml"), store::SAMPLE, mqtt::SAMPLE];
    for sample in own.into_iter().chain(KINDS.iter().map(|k| k.sample)) {
        text.push_str(sample.trim_end());
        text.push_str("\n\n");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Shipped rule files: name without ending, text.
pub fn shipped() -> Vec<(&'static str, &'static str)> {
    KINDS.iter().map(|k| (k.name, k.rules)).chain([("vedette", alert::RULES)]).collect()
}

/// METRICS.md.
pub fn metrics_page() -> String {
    let mut text = String::from(
        "# Metrics\n\nPrinted by `vedette print metrics`; a test keeps it true. Gauges are absent until they are known and \
         leave when they\ncannot be read; counters start at 0 and stand. Units are base units. Every label's values are \
         closed by configuration\nor by the code.\n",
    );
    for (section, families) in families() {
        text.push_str(&format!("\n## {}\n\n| name | type | unit | meaning |\n|---|---|---|---|\n", capital(section)));
        for family in families {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
                Kind::Info => "info",
                Kind::Summary => "summary",
                Kind::Unknown => "unknown",
            };
            let labels = match family.labels {
                [] => String::new(),
                labels => format!("{{{}}}", labels.join(",")),
            };
            let help = family.help.replace('|', "\\|");
            text.push_str(&format!("| `{}{labels}` | {kind} | {} | {help} |\n", family.name, family.unit.text()));
        }
    }
    text
}

/// A heading begins with a capital letter, whatever the sentence began with.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_without_aliases_has_all_names_but_theirs() {
        let names = [true, false].map(|with_aliases| names(with_aliases, &[]));
        let has = |name: &str| [0, 1].map(|n: usize| names[n].has(name));
        assert_eq!(has("active_streams_count"), [true, false]);
        assert_eq!(has("camera_fps"), [true, true]);
        assert_eq!(has("redis_up"), [false, false]);
    }
}
