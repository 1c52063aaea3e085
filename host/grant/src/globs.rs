//! Deny globs: git-style patterns over whole path texts, `*` within a name, `**` across names.
//!
//! A pattern that matches a directory denies all below it, so every ancestor of a path is put to the test as well.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::ProfileError;
use crate::limits;
use crate::path::AbsPath;

/// The compiled patterns of one profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globs {
    set: Option<GlobSet>,
    /// Bytes of the patterns' texts.
    text_bytes: usize,
}

/// A pattern in two parts, of which the first names a place where links can lead elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The whole names before the first with a wildcard.
    pub(crate) base: AbsPath,
    /// The rest, without a leading `/`; never empty.
    pub(crate) rest: String,
    /// The path that the pattern is, when it has no wildcard at all.
    pub(crate) whole: Option<AbsPath>,
}

impl Pattern {
    /// Reads a pattern; a relative one refers to `cwd`.
    pub(crate) fn parse(text: &str, cwd: Option<&AbsPath>) -> Result<Pattern, ProfileError> {
        let malformed = |why: &str| ProfileError::Glob(why.to_owned());
        if text.len() > limits::GLOB_BYTES {
            return Err(malformed(&format!(
                "{} bytes long, at most {} are possible",
                text.len(),
                limits::GLOB_BYTES
            )));
        }
        if text.contains('\0') {
            return Err(malformed("it contains a NUL byte"));
        }
        let mut base = match text.starts_with('/') {
            true => AbsPath::root(),
            false => cwd.ok_or(ProfileError::NeedsCwd)?.clone(),
        };
        let mut names = text
            .split('/')
            .filter(|name| !matches!(*name, "" | "."))
            .peekable();
        while let Some(name) = names.peek() {
            if name.contains(['*', '?', '[', ']', '{', '}', '\\', '!']) {
                break;
            }
            base = match *name {
                ".." => base.parent().unwrap_or_else(AbsPath::root),
                name => base
                    .join(name)
                    .map_err(|error| malformed(&error.to_string()))?,
            };
            names.next();
        }
        let rest = names.collect::<Vec<_>>();
        if rest.contains(&"..") {
            return Err(malformed("`..` after a wildcard"));
        }
        if rest.is_empty() {
            return Pattern::of_path(&base);
        }
        Ok(Pattern {
            base,
            rest: rest.join("/"),
            whole: None,
        })
    }

    /// The pattern that matches one path, whose last name takes the place of the rest.
    pub(crate) fn of_path(path: &AbsPath) -> Result<Pattern, ProfileError> {
        let malformed = |why: &str| ProfileError::Glob(why.to_owned());
        let (Some(base), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(malformed("it names no file"));
        };
        let name = name
            .to_str()
            .ok_or_else(|| malformed("a name in it is not UTF-8"))?;
        Ok(Pattern {
            base,
            rest: globset::escape(name),
            whole: Some(path.clone()),
        })
    }

    /// The whole pattern as text, based at `base`.
    fn text(&self, base: &AbsPath) -> Result<String, ProfileError> {
        let base = std::str::from_utf8(base.as_bytes())
            .map_err(|_| ProfileError::Glob("its directory's name is not UTF-8".to_owned()))?;
        Ok(format!(
            "{}/{}",
            globset::escape(base.trim_end_matches('/')),
            self.rest
        ))
    }
}

impl Globs {
    /// Compiles patterns, each at every base that it is to be matched at.
    pub(crate) fn compile<'a>(
        patterns: impl IntoIterator<Item = (&'a Pattern, &'a AbsPath)>,
    ) -> Result<Globs, ProfileError> {
        let malformed = |error: globset::Error| ProfileError::Glob(error.kind().to_string());
        let mut set = GlobSetBuilder::new();
        let mut any = false;
        let mut text_bytes = 0;
        for (pattern, base) in patterns {
            let text = pattern.text(base)?;
            text_bytes += text.len();
            let glob = GlobBuilder::new(&text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(malformed)?;
            set.add(glob);
            any = true;
        }
        Ok(Globs {
            set: if any {
                Some(set.build().map_err(malformed)?)
            } else {
                None
            },
            text_bytes,
        })
    }

    /// About how many bytes this takes in memory once it was used: measured, for long patterns with many wildcards.
    pub(crate) fn bytes(&self) -> usize {
        const FOR_EACH: usize = 100;
        self.text_bytes * FOR_EACH
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_none()
    }

    /// True when the path or a directory above it matches. The root has no name that could.
    pub(crate) fn deny(&self, path: &[u8]) -> bool {
        let Some(set) = self.set.as_ref().filter(|_| path != b"/") else {
            return false;
        };
        let ends = path
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, byte)| **byte == b'/')
            .map(|(end, _)| end);
        ends.chain([path.len()])
            .any(|end| set.is_match(Path::new(OsStr::from_bytes(&path[..end]))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn denies(pattern: &str, path: &str) -> bool {
        let cwd = AbsPath::parse("/w/[x]").unwrap();
        let pattern = Pattern::parse(pattern, Some(&cwd)).unwrap();
        Globs::compile([(&pattern, &pattern.base)])
            .unwrap()
            .deny(path.as_bytes())
    }

    #[test]
    fn stars_stay_within_a_name_and_double_stars_do_not() {
        for (pattern, path, wanted) in [
            ("/w/*.env", "/w/a.env", true),
            ("/w/*.env", "/w/d/a.env", false),
            ("/w/**/*.env", "/w/a.env", true),
            ("/w/**/*.env", "/w/d/e/a.env", true),
            ("/w/**/*.env", "/v/a.env", false),
            ("/w/**", "/w/a", true),
            ("/w/**", "/w", false),
            ("/w/**", "/w-evil/a", false),
            ("/**/.env", "/.env", true),
            ("/*", "/a/b", true),
            ("/*", "/", false),
            ("/**", "/", false),
            ("/w/secret*", "/w/secrets/deep/file", true),
            ("/w/secret*/", "/w/secrets/deep/file", true),
            ("/w/[ab].txt", "/w/b.txt", true),
            ("/w/{a,b}.txt", "/w/c.txt", false),
            ("/w/a?c", "/w/a/c", false),
            ("/w/plain", "/w/plain/x", true),
            ("/w/plain", "/w/plain2", false),
            ("/w/../v/*", "/v/a", true),
            ("*.key", "/w/[x]/a.key", true),
            ("*.key", "/w/x/a.key", false),
            ("./d/*.key", "/w/[x]/d/a.key", true),
            ("\\*", "/w/[x]/*", true),
            ("\\*", "/w/[x]/a", false),
            // A line's end is a character like any other.
            ("/w/*.env", "/w/a\n.env", true),
            ("/w/*.env", "/w/\n.env", true),
            ("/w/**/.env", "/w/a\nb/.env", true),
            ("/w/secret?", "/w/secret\n/x", true),
            ("/w/[!a]", "/w/\n", true),
        ] {
            assert_eq!(denies(pattern, path), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_matched_too() {
        let pattern = Pattern::parse("/w/*.env", None).unwrap();
        assert!(
            Globs::compile([(&pattern, &pattern.base)])
                .unwrap()
                .deny(b"/w/\xff.env")
        );
    }

    #[test]
    fn malformed_patterns_are_errors() {
        let cwd = AbsPath::parse("/w").unwrap();
        for text in [
            "/w/[a",
            "/w/{a",
            "/w/a}",
            "/w/*/../x",
            "/",
            "/w/\\",
            "/w/a\0*",
            &"/a*".repeat(500),
        ] {
            let compiled = Pattern::parse(text, Some(&cwd))
                .and_then(|p| Globs::compile([(&p, &p.base)]).map(|_| ()));
            assert!(
                matches!(compiled, Err(ProfileError::Glob(_))),
                "{text}: {compiled:?}"
            );
        }
        assert_eq!(Pattern::parse("*.key", None), Err(ProfileError::NeedsCwd));
    }
}
