//! The one path type behind the edge: absolute, lexically normalized, free of NUL, short enough for the kernel.
//!
//! Normalizing happens here and only here, before anything is looked at, as the protocol has it:
//! `link/../x` names the `x` beside `link`, whatever `link` points at. No symlink is followed by this step.
//! A path is bytes, not text: names that are not UTF-8 exist and must not become other names on the way.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::limits;

/// An absolute, normalized path: begins with `/`, no `.`, `..`, `//`, trailing `/` (but the root itself) or NUL, at most 4095 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AbsPath(Box<[u8]>);

/// Why a text is not an [`AbsPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The text does not begin with `/`.
    #[error(
        "path is not absolute: give the whole path, from the root (AbsolutePathBuf deserialized without a base path)"
    )]
    Relative,
    /// The text is empty.
    #[error("path is empty: give the whole path, from the root")]
    Empty,
    /// The text holds a NUL byte, which no file name can.
    #[error("path contains a NUL byte")]
    Nul,
    /// The text is longer than the system takes.
    #[error("path is {0} bytes long: at most {max} are possible", max = limits::PATH_BYTES)]
    TooLong(usize),
    /// A child's name was to be joined that is no single name.
    #[error("not a file name: empty, `.`, `..`, or with a `/` or NUL in it")]
    NotAName,
    /// The text begins like a `file:` URI and is none that names a file of this host.
    #[error("not a file URI of this host: {0}")]
    Uri(&'static str),
}

impl AbsPath {
    /// Checks and normalizes `text`.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<AbsPath, PathError> {
        Self::from_bytes(text.as_ref().as_bytes())
    }

    /// The same from bytes.
    pub fn from_bytes(text: &[u8]) -> Result<AbsPath, PathError> {
        match text.first() {
            None => return Err(PathError::Empty),
            Some(b'/') => {}
            Some(_) => return Err(PathError::Relative),
        }
        if text.len() > limits::PATH_BYTES {
            return Err(PathError::TooLong(text.len()));
        }
        if text.contains(&0) {
            return Err(PathError::Nul);
        }
        let mut path = Vec::with_capacity(text.len());
        for component in text.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => path.truncate(path.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
                name => {
                    path.push(b'/');
                    path.extend_from_slice(name);
                }
            }
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(AbsPath(path.into_boxed_slice()))
    }

    /// `/`.
    pub fn root() -> AbsPath {
        AbsPath(Box::from(&b"/"[..]))
    }

    /// As the standard library has it.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The bytes, from the leading `/` on.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The names from the root down; none for `/`.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
    }

    /// The path of the child `name`, which must be one ordinary name.
    pub fn join(&self, name: impl AsRef<OsStr>) -> Result<AbsPath, PathError> {
        let name = name.as_ref().as_bytes();
        if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return Err(PathError::NotAName);
        }
        let mut path = Vec::with_capacity(self.0.len() + 1 + name.len());
        if !self.is_root() {
            path.extend_from_slice(&self.0);
        }
        path.push(b'/');
        path.extend_from_slice(name);
        if path.len() > limits::PATH_BYTES {
            return Err(PathError::TooLong(path.len()));
        }
        Ok(AbsPath(path.into_boxed_slice()))
    }

    /// The directory that holds it; none for `/`.
    pub fn parent(&self) -> Option<AbsPath> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        match (slash, self.is_root()) {
            (_, true) => None,
            (0, false) => Some(Self::root()),
            (end, false) => Some(AbsPath(Box::from(&self.0[..end]))),
        }
    }

    /// The last name; none for `/`.
    pub fn file_name(&self) -> Option<&OsStr> {
        self.components().next_back().map(OsStr::from_bytes)
    }

    /// True when it is `ancestor` or lies below it, by whole components: `/work-evil` is not below `/work`.
    pub fn starts_with(&self, ancestor: &AbsPath) -> bool {
        ancestor.is_root()
            || self
                .0
                .strip_prefix(ancestor.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl AsRef<Path> for AbsPath {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl Borrow<[u8]> for AbsPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for AbsPath {
    /// For people: bytes that are not UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_path(), f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        AbsPath::parse(text).unwrap().to_string()
    }

    #[test]
    fn dots_and_doubled_slashes_are_normalized_lexically() {
        for (text, wanted) in [
            ("/", "/"),
            ("//", "/"),
            ("/.", "/"),
            ("/..", "/"),
            ("/a/..", "/"),
            ("/a/b/../c", "/a/c"),
            ("/a//b/./c/", "/a/b/c"),
            ("/link/../x", "/x"),
            ("/../../etc", "/etc"),
            ("/a/...", "/a/..."),
            ("/a/.b/..c", "/a/.b/..c"),
            ("/work/../../../../etc/passwd", "/etc/passwd"),
        ] {
            assert_eq!(normal(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_absolute_path_is_refused() {
        assert_eq!(AbsPath::parse(""), Err(PathError::Empty));
        assert_eq!(AbsPath::parse("a/b"), Err(PathError::Relative));
        assert_eq!(AbsPath::parse("./a"), Err(PathError::Relative));
        assert_eq!(AbsPath::parse("C:\\a"), Err(PathError::Relative));
        assert_eq!(AbsPath::parse("/a\0b"), Err(PathError::Nul));
        let longest = format!("/{}", "a".repeat(limits::PATH_BYTES - 1));
        assert!(AbsPath::parse(&longest).is_ok());
        assert_eq!(AbsPath::parse(longest + "a"), Err(PathError::TooLong(4096)));
    }

    #[test]
    fn names_that_are_not_utf8_keep_their_bytes() {
        let path = AbsPath::from_bytes(b"/a/\xff\xfe/./b").unwrap();
        assert_eq!(path.as_bytes(), b"/a/\xff\xfe/b");
    }

    /// Only Linux is served. What would be special to Windows is refused where it is no absolute path here, and an ordinary name where it is
    /// one: nothing is translated, so nothing can come to mean something else (CVE-2024-51756, CVE-2024-51745).
    #[test]
    fn attack_19_what_is_special_to_windows_is_refused_or_an_ordinary_name() {
        for text in [
            "C:\\a",
            "C:/a",
            "c:",
            "\\\\?\\C:\\a",
            "\\\\.\\PhysicalDrive0",
            "\\\\server\\share\\a",
            "\\a",
            "COM1",
        ] {
            assert_eq!(AbsPath::parse(text), Err(PathError::Relative), "{text}");
        }
        for (text, wanted) in [
            // Of two leading slashes one is too many, also where Windows sees a server.
            ("//server/share/a", "/server/share/a"),
            ("//?/C:/a", "/?/C:/a"),
        ] {
            assert_eq!(normal(text), wanted);
        }
        for name in [
            "COM1",
            "COM\u{b9}",
            "LPT\u{b2}.txt",
            "com\u{b3}",
            "NUL",
            "nul.txt",
            "CON",
            "AUX.",
            "f::$DATA",
            "f:stream:$DATA",
            "C:",
            "a\\b",
            "..\\..\\a",
            "trailing.",
            "trailing ",
            "PROGRA~1",
        ] {
            let path = AbsPath::parse(format!("/w/{name}")).unwrap();
            assert_eq!(path.file_name(), Some(OsStr::new(name)));
            assert_eq!(path.parent().unwrap().to_string(), "/w");
            assert_eq!(path, AbsPath::parse("/w").unwrap().join(name).unwrap());
        }
    }

    #[test]
    fn parents_children_and_names() {
        let path = AbsPath::parse("/a/b").unwrap();
        assert_eq!(path.parent().unwrap().to_string(), "/a");
        assert_eq!(path.parent().unwrap().parent().unwrap().to_string(), "/");
        assert_eq!(AbsPath::root().parent(), None);
        assert_eq!(AbsPath::root().join("x").unwrap().to_string(), "/x");
        assert_eq!(path.join("c").unwrap().to_string(), "/a/b/c");
        assert_eq!(path.file_name(), Some(OsStr::new("b")));
        for name in ["", ".", "..", "a/b", "/a", "a\0"] {
            assert_eq!(path.join(name), Err(PathError::NotAName), "{name:?}");
        }
    }

    #[test]
    fn a_prefix_twin_is_not_below() {
        let path = |text: &str| AbsPath::parse(text).unwrap();
        assert!(path("/work/a").starts_with(&path("/work")));
        assert!(path("/work").starts_with(&path("/work")));
        assert!(path("/work").starts_with(&AbsPath::root()));
        assert!(!path("/work-evil").starts_with(&path("/work")));
        assert!(!path("/workspace").starts_with(&path("/work")));
    }
}
