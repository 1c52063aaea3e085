//! Base64 payloads: standard alphabet, padding, strict.
//!
//! Incoming payloads stay text ([`Base64Text`], borrowed from the message when it has no escapes) until the handler decodes
//! them: which error code a bad payload gets depends on the method, and a refused request needs no decoding.

use std::borrow::Cow;
use std::fmt;

use base64_simd::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Malformed;

/// A payload as it stands in a request, not decoded yet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Base64Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Base64Text<'a> {
    /// The payload `data`, encoded.
    pub fn encode(data: &[u8]) -> Base64Text<'static> {
        Base64Text(Cow::Owned(STANDARD.encode_to_string(data)))
    }

    /// The bytes; [`Malformed::Base64`] when it is not strict standard base64.
    pub fn decode(&self) -> Result<Vec<u8>, Malformed> {
        STANDARD
            .decode_to_vec(self.0.as_bytes())
            .map_err(|_| Malformed::Base64)
    }

    /// What [`Self::decode`] would return at most, in bytes; for limits that are looked at before decoding.
    pub fn decoded_len(&self) -> usize {
        STANDARD.estimated_decoded_length(self.0.len())
    }

    /// The text as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, no longer tied to the message.
    pub fn into_owned(self) -> Base64Text<'static> {
        Base64Text(Cow::Owned(self.0.into_owned()))
    }
}

impl<'a> From<Cow<'a, str>> for Base64Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Base64Text(text)
    }
}

/// Contents are never shown: files and terminal input end up in logs otherwise.
impl fmt::Debug for Base64Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64Text({} characters)", self.0.len())
    }
}

/// A decoded payload in a result or notification.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl From<Vec<u8>> for Base64 {
    fn from(data: Vec<u8>) -> Self {
        Base64(data)
    }
}

impl std::ops::Deref for Base64 {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64({} bytes)", self.0.len())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode_to_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Base64Text::deserialize(deserializer)?;
        text.decode().map(Base64).map_err(de::Error::custom)
    }
}

/// Appends `data` encoded; the caller has reserved [`encoded_len`] and what follows.
pub(crate) fn append(data: &[u8], to: &mut String) {
    STANDARD.encode_append(data, to);
}

/// Characters that [`append`] adds for `len` bytes.
pub(crate) fn encoded_len(len: usize) -> usize {
    STANDARD.encoded_length(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict() {
        for bad in [
            "a", "ab", "abc", "ab=", "a===", "=", "====", "ab==\n", " ab==", "ab-_", "a=b=", "YQ",
            "YR==", "YWJ=", "é===",
        ] {
            assert_eq!(
                Base64Text(bad.into()).decode(),
                Err(Malformed::Base64),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn every_byte_and_length_survives() {
        let all: Vec<u8> = (0..=255).chain(0..=255).collect();
        for len in 0..all.len() {
            let text = Base64Text::encode(&all[..len]);
            assert_eq!(text.as_str().len(), encoded_len(len));
            assert!(text.decoded_len() >= len && text.decoded_len() <= len + 2);
            assert_eq!(text.decode().as_deref(), Ok(&all[..len]));
        }
    }

    #[test]
    fn escaped_text_is_accepted_and_plain_text_is_borrowed() {
        let escaped: Base64Text = serde_json::from_str(r#""YW\u004a\/""#).expect("a string");
        assert_eq!(escaped.as_str(), "YWJ/");
        assert!(matches!(
            serde_json::from_str(r#""YQ==""#).expect("a string"),
            Base64Text(Cow::Borrowed("YQ=="))
        ));
    }

    #[test]
    fn contents_do_not_show_in_debug_output() {
        assert_eq!(
            format!(
                "{:?} {:?}",
                Base64(b"secret".to_vec()),
                Base64Text::encode(b"secret")
            ),
            "Base64(6 bytes) Base64Text(8 characters)"
        );
    }
}
