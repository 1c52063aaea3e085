//! Paths on the wire: native absolute paths (May 2026) or `file:` URIs (since June 2026), told apart by their look.
//!
//! A server accepts both. It answers URIs, but where what it tells lies below a path that it was given. Past this type a path is an [`AbsPath`]: absolute,
//! normalized, without NUL.

use std::borrow::Cow;
use std::fmt;

use lockgate_grant::{AbsPath, uri};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How a path was, or is to be, written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathStyle {
    /// `/a/b c`
    Native,
    /// `file:///a/b%20c`
    Uri,
}

/// A path with the style it came in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WirePath {
    /// The path.
    pub path: AbsPath,
    /// How the peer writes paths.
    pub style: PathStyle,
}

impl WirePath {
    /// A path to be written as a URI.
    pub fn uri(path: AbsPath) -> Self {
        WirePath {
            path,
            style: PathStyle::Uri,
        }
    }

    /// A path to be written natively.
    pub fn native(path: AbsPath) -> Self {
        WirePath {
            path,
            style: PathStyle::Native,
        }
    }

    /// Reads either style. The error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if uri::is_file_uri(text) {
            let path = uri::parse_file_uri(text).map_err(|error| format!("`{text}`: {error}"))?;
            return Ok(WirePath::uri(path));
        }
        match AbsPath::parse(text) {
            Ok(path) => Ok(WirePath::native(path)),
            Err(_) if text.contains("://") => Err(format!(
                "`{text}`: paths are absolute native paths or `file:` URIs; no other scheme is known"
            )),
            Err(error) => Err(format!("`{text}`: {error}")),
        }
    }

    /// `path` as text in `style`. A native path that is not UTF-8 has no JSON string; it is written as a URI, which keeps
    /// every byte, instead of as the name of another file.
    pub fn render(path: &AbsPath, style: PathStyle) -> Cow<'_, str> {
        match (style, std::str::from_utf8(path.as_bytes())) {
            (PathStyle::Native, Ok(text)) => Cow::Borrowed(text),
            _ => Cow::Owned(uri::to_file_uri(path)),
        }
    }
}

impl fmt::Display for WirePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::render(&self.path, self.style))
    }
}

impl Serialize for WirePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Self::render(&self.path, self.style))
    }
}

impl<'de> Deserialize<'de> for WirePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathVisitor;

        impl de::Visitor<'_> for PathVisitor {
            type Value = WirePath;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an absolute native path or a `file:` URI")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<WirePath, E> {
                WirePath::parse(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(PathVisitor)
    }
}
