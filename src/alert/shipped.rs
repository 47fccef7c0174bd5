//! Printing the rules that come with Vedette.

/// One Prometheus rule file with the groups of all `rules` (name of the part, its `rules.yml`), in the given order.
/// Each text must hold one top-level key, `groups:`, on a line of its own.
pub fn all(rules: &[(&str, &str)]) -> String {
    let mut out =
        String::from("# The alerting rules that come with Vedette, for Prometheus and for the box alike.\ngroups:\n");
    for (name, text) in rules {
        out.push_str(&format!("\n  # {name}\n"));
        let body = text.split_once("groups:\n").map_or("", |(_, body)| body);
        out.push_str(body.trim_end());
        out.push('\n');
    }
    out
}
