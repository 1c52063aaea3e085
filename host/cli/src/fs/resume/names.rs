//! Names below a path, and the name of a file that is not whole yet.

use lockgate_capfs::Digest;
use lockgate_grant::AbsPath;

use super::end::Version;

/// What all names of partial files begin with.
const PARTIAL: &str = ".lockgate-part-";

/// Digits of a digest that tell names and versions apart: 64 bits.
const DIGITS: usize = 16;

/// Where an entry of a tree goes: below the root, whatever the other end says its name is, or nowhere.
pub(super) fn below(root: &AbsPath, name: &[u8]) -> Result<AbsPath, &'static str> {
    let mut path = root.as_bytes().to_vec();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." | b".." => {
                return Err("names with an empty part, `.` or `..` are not taken");
            }
            part if part.contains(&0) => return Err("names with a NUL are not taken"),
            part => {
                if path != b"/" {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    AbsPath::from_bytes(&path).map_err(|_| "its path is longer than any call can name")
}

/// The name of a file while it is not whole: beside the one that it will be, and another one for each version of what it is made of, so that
/// no two versions are ever mixed.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) path: AbsPath,
    name: String,
    /// What the names of all versions begin with.
    prefix: String,
}

impl Partial {
    /// Of `path`, made of that version of `source`.
    pub(super) fn new(
        path: &AbsPath,
        source: &AbsPath,
        version: Version,
    ) -> Result<Partial, String> {
        let name = path.file_name().unwrap_or_default();
        let prefix = format!("{PARTIAL}{}-", digest(name.as_encoded_bytes()));
        let version = format!("{} {} ", version.size, version.modified_ms);
        let version = [version.as_bytes(), source.as_bytes()].concat();
        let name = format!("{prefix}{}", digest(&version));
        let path = path.parent().and_then(|parent| parent.join(&name).ok());
        Ok(Partial {
            path: path.ok_or("there is no room for a name beside it")?,
            name,
            prefix,
        })
    }

    /// Whether a name in the same directory is that of a version that is of no use any more.
    pub(super) fn is_stale(&self, name: &str) -> bool {
        name.starts_with(&self.prefix) && name != self.name
    }
}

/// What says of a directory that a transfer from this source made it and has not come to its end. It is no file's partial, as no file has an empty name.
pub(super) fn mark(directory: &AbsPath, source: &AbsPath) -> Result<AbsPath, String> {
    let made = [b"made for ", source.as_bytes()].concat();
    let mark = directory.join(format!("{PARTIAL}{}-{}", digest(b""), digest(&made)));
    mark.map_err(|error| error.to_string())
}

/// A name in a directory that nobody else has: that of a partial, so that one that stays behind is known as such.
pub(super) fn sign(directory: &AbsPath) -> Option<AbsPath> {
    let mut random = [0; DIGITS];
    getrandom::fill(&mut random).ok()?;
    let (one, other) = random.split_at(DIGITS / 2);
    directory
        .join(format!("{PARTIAL}{}-{}", digest(one), digest(other)))
        .ok()
}

/// Whether a name looks like that of a partial. Of which file of which transfer it is, perhaps one that runs now, its digits tell to nobody who does not know that file.
pub(super) fn is_partial(name: &str) -> bool {
    let digits = |text: &str| {
        text.len() == DIGITS
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let halves = name
        .strip_prefix(PARTIAL)
        .and_then(|rest| rest.split_once('-'));
    halves.is_some_and(|(file, version)| digits(file) && digits(version))
}

/// Whether an entry of a tree has such a name, or is in a directory that does. What a transfer finds at its end has been made by a transfer, and not by its source.
pub(super) fn is_in_partial(entry: &[u8]) -> bool {
    let mut parts = entry.split(|byte| *byte == b'/');
    parts.any(|part| std::str::from_utf8(part).is_ok_and(is_partial))
}

fn digest(bytes: &[u8]) -> String {
    let mut text = Digest::of(bytes).to_string();
    text.truncate(DIGITS);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).expect("a path")
    }

    #[test]
    fn attack_01_no_name_of_the_other_end_leads_out_of_the_directory() {
        for (name, wanted) in [
            ("a", Some("/w/d/a")),
            ("a/b", Some("/w/d/a/b")),
            ("...", Some("/w/d/...")),
            ("a\\..\\b", Some("/w/d/a\\..\\b")),
            ("", None),
            ("/etc/passwd", None),
            ("..", None),
            ("a/../../b", None),
            ("a/./b", None),
            ("a//b", None),
            ("a/", None),
            ("a\0b", None),
        ] {
            let found = below(&path("/w/d"), name.as_bytes()).ok();
            let found = found.map(|path| path.to_string());
            assert_eq!(found.as_deref(), wanted, "{name:?}");
        }
        assert!(below(&path("/w"), &[b'a'; 5_000]).is_err());
    }

    #[test]
    fn each_version_of_each_file_has_a_partial_of_its_own() {
        let of = |to: &str, from: &str, size, modified_ms| {
            let version = Version { size, modified_ms };
            Partial::new(&path(to), &path(from), version).expect("a name")
        };
        let one = of("/d/a", "/s/a", 5, 7);
        assert_eq!(one.path, of("/d/a", "/s/a", 5, 7).path);
        assert_eq!(one.path.parent(), Some(path("/d")));
        for other in [
            of("/d/a", "/s/a", 6, 7),
            of("/d/a", "/s/a", 5, 8),
            of("/d/a", "/s/b", 5, 7),
        ] {
            assert!(one.is_stale(&other.name) && !one.is_stale(&one.name));
        }
        assert!(is_partial(&one.name));
        for entry in [
            one.name.clone(),
            format!("d/{}", one.name),
            format!("{}/f", one.name),
        ] {
            assert!(is_in_partial(entry.as_bytes()), "{entry}");
        }
        for other in [
            "a",
            ".lockgate-part-",
            ".lockgate-part-0123456789abcdef",
            ".lockgate-part-0123456789abcdef-0123456789abcde",
            ".lockgate-part-0123456789abcdef-0123456789abcdeg",
            ".lockgate-part-0123456789abcdef-0123456789abcdef.mine",
        ] {
            assert!(!is_partial(other), "{other}");
            assert!(!is_in_partial(format!("d/{other}/f").as_bytes()));
        }
        let beside = of("/d/b", "/s/a", 5, 7);
        assert!(beside.path != one.path && !one.is_stale(&beside.name));
    }
}
