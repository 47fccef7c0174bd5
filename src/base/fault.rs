//! How an error is told: the outer says what we were doing, its sources say why, and a log prints the chain once.

use std::error::Error;
use std::fmt;

/// Displays an error with all its sources, `: ` between them. A source whose text is already contained in the text
/// before it is left out, since many crates repeat it.
pub fn chain(error: &dyn Error) -> Chain<'_> {
    Chain(error)
}

pub struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            source = error.source();
        }
        Ok(())
    }
}
