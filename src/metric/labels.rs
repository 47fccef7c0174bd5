//! Label sets.

use std::fmt;
use std::sync::Arc;

/// A label set: sorted by name, no duplicates, no empty values (Prometheus treats empty as absent). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// A later pair replaces an earlier one of the same name; an empty value removes it.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut all: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for (name, value) in pairs {
            all.retain(|(n, _)| **n != *name.as_ref());
            if !value.as_ref().is_empty() {
                all.push((name.as_ref().into(), value.as_ref().into()));
            }
        }
        all.sort();
        Labels(all.into())
    }
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| &**n == name).map(|(_, v)| &**v)
    }
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// These labels with `pairs` put over them.
    pub fn with<'a>(&'a self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
        Labels::new(self.iter().chain(pairs))
    }
    /// These labels without the named ones.
    pub fn without(&self, names: &[&str]) -> Labels {
        Labels(self.0.iter().filter(|(n, _)| !names.contains(&&**n)).cloned().collect())
    }
    /// Only the named ones.
    pub fn only(&self, names: &[&str]) -> Labels {
        Labels(self.0.iter().filter(|(n, _)| names.contains(&&**n)).cloned().collect())
    }
    /// These labels as a Prometheus server with `honor_labels: false` stores them under its target's: those stand, and
    /// one of ours of the same name gets `exported_` in front, as often as it takes.
    pub fn under(&self, target: &Labels) -> Labels {
        if target.0.iter().all(|(name, _)| self.get(name).is_none()) {
            return self.with(target.iter());
        }
        let mut all: Vec<(String, &str)> = Vec::new();
        for (name, value) in self.iter() {
            let mut free = name.to_owned();
            while target.get(&free).is_some() || (free != name && self.get(&free).is_some()) {
                free.insert_str(0, "exported_");
            }
            all.push((free, value));
        }
        Labels::new(all.iter().map(|(name, value)| (name.as_str(), *value)).chain(target.iter()))
    }
    /// A stable 64-bit digest of names and values (FNV-1a), the same on every box and in every version.
    pub fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (name, value) in self.iter() {
            for byte in name.bytes().chain([0xff]).chain(value.bytes()).chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        hash
    }
}

/// Writes `value` with `\`, `"` and newline escaped, as both text formats demand.
pub fn escape(value: &str, out: &mut impl fmt::Write) -> fmt::Result {
    for c in value.chars() {
        match c {
            '\\' => out.write_str("\\\\")?,
            '"' => out.write_str("\\\"")?,
            '\n' => out.write_str("\\n")?,
            c => out.write_char(c)?,
        }
    }
    Ok(())
}

impl fmt::Display for Labels {
    /// `{camera_id="yard",reason="eof"}`, nothing at all for an empty set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}=\"", if i == 0 { '{' } else { ',' })?;
            escape(value, f)?;
            f.write_str("\"")?;
        }
        if self.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() { f.write_str("{}") } else { write!(f, "{self}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_unique_and_without_empty_values() {
        let labels = Labels::new([("b", "2"), ("a", "x\"\\\n"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="x\"\\\n",b="3"}"#);
        assert_eq!(labels.without(&["a"]).to_string(), r#"{b="3"}"#);
        assert_eq!(Labels::default().to_string(), "");
    }

    #[test]
    fn a_label_that_the_target_has_too_is_renamed_until_its_name_is_free() {
        let target = Labels::new([("job", "box")]);
        let under = |pairs: &[(&str, &str)]| Labels::new(pairs.iter().copied()).under(&target).to_string();
        assert_eq!(under(&[("a", "1")]), r#"{a="1",job="box"}"#);
        assert_eq!(under(&[("job", "1")]), r#"{exported_job="1",job="box"}"#);
        assert_eq!(
            under(&[("job", "1"), ("exported_job", "2")]),
            r#"{exported_exported_job="1",exported_job="2",job="box"}"#
        );
    }
}
