//! A policy's own version: `MAJOR.MINOR.PATCH`, and nothing after it, so that of two it is always clear which is the older.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A version; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Changes of meaning.
    pub major: u32,
    /// Additions.
    pub minor: u32,
    /// Corrections.
    pub patch: u32,
}

/// The text is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version: it is written MAJOR.MINOR.PATCH, three numbers and nothing else")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Version, NotAVersion> {
        let wrong = || NotAVersion(text.chars().take(64).collect());
        let number = |part: &str| {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit());
            let canonical = part == "0" || !part.starts_with('0');
            (plain && canonical)
                .then(|| part.parse().ok())
                .flatten()
                .ok_or_else(wrong)
        };
        match text.split('.').collect::<Vec<_>>()[..] {
            [major, minor, patch] => Ok(Version {
                major: number(major)?,
                minor: number(minor)?,
                patch: number(patch)?,
            }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers_and_ordered() {
        let version = |text: &str| text.parse::<Version>();
        assert_eq!(version("1.20.3").expect("one").to_string(), "1.20.3");
        let ordered = |one, other| version(one).expect("one") < version(other).expect("another");
        assert!(ordered("1.9.0", "1.10.0"));
        assert!(ordered("0.9.9", "1.0.0"));
        for wrong in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "1.2.3-rc1",
            "+1.2.3",
            "01.2.3",
            " 1.2.3",
            "1..3",
            "4294967296.0.0",
        ] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }
}
