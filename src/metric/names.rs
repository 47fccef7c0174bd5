//! Names of series that this box can have: what a rule may name to be judged here.

use std::collections::BTreeSet;

/// A set of names, closed by code and configuration.
#[derive(Debug, Default)]
pub struct Names {
    whole: BTreeSet<String>,
    /// Any name that begins like this.
    begins: BTreeSet<String>,
}

impl Names {
    pub fn has(&self, name: &str) -> bool {
        self.whole.contains(name) || self.begins.iter().any(|begin| name.starts_with(begin))
    }
}

impl<S: Into<String>> FromIterator<S> for Names {
    /// A name that ends in `*` stands for all that begin like it.
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Names {
        let mut all = Names::default();
        for name in names {
            let name = name.into();
            match name.strip_suffix('*') {
                Some(begin) => all.begins.insert(begin.to_owned()),
                None => all.whole.insert(name),
            };
        }
        all
    }
}

/// Whether this is a name of series, or the begin of one and a `*`. A `*` alone would make every rule ours.
pub fn allowed(name: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
    let plain = name.strip_suffix('*').unwrap_or(name);
    plain.starts_with(begins) && plain.chars().all(|c| begins(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_ending() {
        let names: Names = ["redis_*", "pg_up"].into_iter().collect();
        let has = |name| names.has(name);
        assert!(has("redis_up") && has("redis_") && has("pg_up"));
        assert!(!has("redis") && !has("pg_up_total") && !has(""));
    }
}
