//! The name of an environment.

use std::fmt;
use std::str::FromStr;

/// Longest name, in characters.
const LONGEST: usize = 256;

/// An environment's name: 1 to 256 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentId(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name an environment; expected 1 to {LONGEST} ASCII letters, digits, `-` or `_`"
)]
pub struct EnvironmentIdError(String);

impl EnvironmentId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvironmentId {
    type Err = EnvironmentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(allowed) {
            return Err(EnvironmentIdError(text.chars().take(LONGEST).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_hyphens_and_underscores() {
        for good in ["a", "box-1", "A_b-9", &"x".repeat(256)] {
            assert_eq!(
                good.parse::<EnvironmentId>().map(|id| id.0),
                Ok(good.to_owned())
            );
        }
        for bad in ["", " a", "a ", "a/b", "..", "ä", "a.b", &"x".repeat(257)] {
            assert!(bad.parse::<EnvironmentId>().is_err(), "{bad}");
        }
    }
}
