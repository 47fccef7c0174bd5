//! Closed sets of label values.

/// An enum whose variants are the only values a label can take.
pub trait Label: Copy + 'static {
    /// Every variant, in the order in which documents list them.
    const ALL: &'static [Self];
    /// The value as it stands on the page: lower case, `[a-z0-9_]`.
    fn label(self) -> &'static str;
}
