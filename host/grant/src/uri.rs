//! `file:` URIs, the spelling of paths that today's clients use.
//!
//! Strict on purpose: what different parsers read differently (an encoded `/`, a raw backslash, a query, a foreign host,
//! broken escapes) is refused rather than guessed at. Everything else comes out as the same [`AbsPath`] as its native spelling.

use crate::path::{AbsPath, PathError};

/// True when `text` is to be read as a URI: it begins with `file:`, in any case.
pub fn is_file_uri(text: &str) -> bool {
    text.as_bytes()
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"file:"))
}

/// A path in either spelling: a `file:` URI or a native absolute path.
pub fn parse_path(text: &str) -> Result<AbsPath, PathError> {
    if is_file_uri(text) {
        parse_file_uri(text)
    } else {
        AbsPath::parse(text)
    }
}

/// The path that a `file:` URI names. The host part must be empty or `localhost`.
pub fn parse_file_uri(text: &str) -> Result<AbsPath, PathError> {
    if !is_file_uri(text) {
        return Err(PathError::Uri("its scheme is not `file`"));
    }
    let rest = &text.as_bytes()[5..];
    let path = match rest.strip_prefix(b"//") {
        None => rest,
        Some(authority) => {
            let slash = authority.iter().position(|byte| *byte == b'/');
            let (host, path) = authority.split_at(slash.ok_or(PathError::Uri("it has no path"))?);
            if !host.is_empty() && !host.eq_ignore_ascii_case(b"localhost") {
                return Err(PathError::Uri("it names another host"));
            }
            path
        }
    };
    if path.first() != Some(&b'/') {
        return Err(PathError::Uri("its path is not absolute"));
    }
    AbsPath::from_bytes(&decode(path)?)
}

/// The `file:` URI of a path. Everything but unreserved characters and the harmless delimiters is percent-encoded.
pub fn to_file_uri(path: &AbsPath) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut uri = String::with_capacity(path.as_bytes().len() + 16);
    uri.push_str("file://");
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push('%');
            uri.push(char::from(HEX[usize::from(byte >> 4)]));
            uri.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    uri
}

fn decode(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'?' | b'#' => return Err(PathError::Uri("it has a query or a fragment")),
            b'\\' | 0..=0x20 | 0x7f => {
                return Err(PathError::Uri(
                    "it holds a character that must be percent-encoded",
                ));
            }
            b'%' => {
                let digit =
                    |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err(PathError::Uri(
                        "a `%` is not followed by two hexadecimal digits",
                    ));
                };
                // Both digits are below 16, so that the value fits.
                match (high * 16 + low) as u8 {
                    b'/' => {
                        return Err(PathError::Uri(
                            "a percent-encoded `/` is no separator and can be in no name",
                        ));
                    }
                    byte => byte,
                }
            }
            byte => byte,
        });
    }
    Ok(decoded)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn uris_and_native_paths_name_the_same_files() {
        for (uri, path) in [
            ("file:///", "/"),
            ("file:///a/b", "/a/b"),
            ("FILE:///a", "/a"),
            ("FiLe://LocalHost/a", "/a"),
            ("file:/a/b", "/a/b"),
            ("file:///a%20b%25", "/a b%"),
            ("file:///a/%2e%2E/b", "/b"),
            ("file:///a//b/", "/a/b"),
            ("file:///C:/dir", "/C:/dir"),
            ("file:///%C3%A9", "/\u{e9}"),
            ("file:///\u{e9}", "/\u{e9}"),
        ] {
            assert_eq!(parse_path(uri).unwrap().to_string(), path, "{uri}");
        }
        assert_eq!(parse_path("/file:/a").unwrap().to_string(), "/file:/a");
    }

    #[test]
    fn doubtful_uris_are_refused() {
        for uri in [
            "file:",
            "file://",
            "file:a",
            "file://host",
            "file://host/a",
            "file://../a",
            "file://user@localhost/a",
            "file://localhost:80/a",
            "file:///a?b",
            "file:///a#b",
            "file:///a%",
            "file:///a%2",
            "file:///a%zz",
            "file:///a%+1",
            "file:///a%2fb",
            "file:///a%2Fb",
            "file:///a%00b",
            "file:///a\\b",
            "file:///a b",
            "file:///a\tb",
            "http:///a",
            " file:///a",
        ] {
            assert!(parse_path(uri).is_err(), "{uri:?}");
        }
    }

    proptest! {
        #[test]
        fn every_path_survives_its_uri(names in proptest::collection::vec("[^/\0]{1,8}", 0..5), odd in any::<u8>()) {
            let mut text = format!("/{}", names.join("/")).into_bytes();
            if odd != 0 {
                text.push(odd);
            }
            let path = AbsPath::from_bytes(&text).unwrap();
            prop_assert_eq!(parse_path(&to_file_uri(&path)).unwrap(), path);
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(text in "\\PC{0,40}") {
            let _ = parse_path(&text);
            let _ = parse_path(&format!("file:{text}"));
            let _ = parse_path(&format!("file://{text}"));
        }
    }
}
