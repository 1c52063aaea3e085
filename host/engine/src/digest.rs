//! SHA-256: of a component's bytes, what a configuration pins and `doctor` prints; of a file's, what may be written over.

use std::str::FromStr;
use std::{fmt, io};

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest; shown and parsed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits (SHA-256)")]
pub struct NotADigest;

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// The digest of all that there is to read.
    pub fn of_all(mut from: impl io::Read) -> io::Result<Digest> {
        let mut digest = Sha256::new();
        io::copy(&mut from, &mut digest)?;
        Ok(Digest(digest.finalize().into()))
    }

    /// The digest's own bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Digest, NotADigest> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NotADigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| (pair[at] as char).to_digit(16).ok_or(NotADigest);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Ok(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_survives_being_written_and_read() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), OF_NOTHING);
        assert_eq!(OF_NOTHING.to_uppercase().parse(), Ok(digest));
    }

    #[test]
    fn anything_but_64_digits_is_refused() {
        for text in [
            "",
            "e3b0",
            &OF_NOTHING[1..],
            &format!("{OF_NOTHING}0"),
            &OF_NOTHING.replace('e', "g"),
            &"é".repeat(32),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(NotADigest), "{text}");
        }
    }
}
