//! Configuration: one line a setting, `KEY VALUE`. Small, and errors say the line. Who wants more turns on the feature `toml`.

use crate::{HostPattern, path};

/// One line of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// The first word.
    pub key: &'a str,
    /// The rest, without space around it; it may be empty.
    pub value: &'a str,
}

/// The lines of a configuration, without those that are empty or begin with `#`.
///
/// ```
/// use lockgate_policy::config;
///
/// let mut roots = Vec::new();
/// for line in config::lines("# where files may change\nroot /work/\n") {
///     match line.key {
///         "root" => roots.push(line.path()?),
///         _ => return Err(line.unknown(&["root"])),
///     }
/// }
/// assert_eq!(roots, ["/work"]);
/// # Ok::<(), String>(())
/// ```
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim();
        let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        (!line.is_empty() && !line.starts_with('#')).then_some(Line {
            number: index + 1,
            key,
            value: value.trim(),
        })
    })
}

impl Line<'_> {
    /// The value as a path: absolute, normalized.
    pub fn path(&self) -> Result<String, String> {
        path::normalized(self.value).map_err(|error| self.error(&error))
    }

    /// The value as a host, or `*.` and a domain.
    pub fn host(&self) -> Result<HostPattern, String> {
        HostPattern::parse(self.value).map_err(|error| self.error(&error))
    }

    /// The value as a whole number.
    pub fn number(&self) -> Result<u64, String> {
        let no_number = |_| self.error(&format!("{:?} is no whole number", self.value));
        self.value.parse().map_err(no_number)
    }

    /// An error in this line.
    pub fn error(&self, message: &str) -> String {
        format!("line {}: {}: {message}", self.number, self.key)
    }

    /// The error that the key is none of those that there are.
    pub fn unknown(&self, keys: &[&str]) -> String {
        format!(
            "line {}: {:?} is no setting; there are: {}",
            self.number,
            self.key,
            keys.join(", ")
        )
    }
}

/// A configuration in TOML, as a type of the policy's own that is `serde::Deserialize` (`#[serde(deny_unknown_fields)]` finds misspelt settings).
#[cfg(feature = "toml")]
pub fn toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words_with_the_rest() {
        let text = "\n  # a remark\nroot   /mit raum  \r\n\thost\texample.com\nalone\nroot /a#b";
        let found: Vec<_> = lines(text)
            .map(|line| (line.number, line.key, line.value))
            .collect();
        assert_eq!(
            found,
            [
                (3, "root", "/mit raum"),
                (4, "host", "example.com"),
                (5, "alone", ""),
                (6, "root", "/a#b"),
            ]
        );
        assert_eq!(lines("").next(), None);
    }

    #[test]
    fn errors_say_line_and_setting() {
        let line = lines("\nroot work").next().expect("a line");
        assert_eq!(
            line.path(),
            Err("line 2: root: \"work\" is no absolute path".to_owned())
        );
        assert_eq!(
            line.number(),
            Err("line 2: root: \"work\" is no whole number".to_owned())
        );
        assert_eq!(
            line.unknown(&["a", "b"]),
            "line 2: \"root\" is no setting; there are: a, b"
        );
        let line = lines("root").next().expect("a line");
        assert_eq!(
            line.path(),
            Err("line 1: root: \"\" is no absolute path".to_owned())
        );
    }

    #[cfg(feature = "toml")]
    #[test]
    fn toml_becomes_a_type_of_ones_own() {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Settings {
            roots: Vec<String>,
        }
        let settings: Settings = toml("roots = ['/work']").expect("TOML");
        assert_eq!(settings.roots, ["/work"]);
        let error = toml::<Settings>("rots = []").err().expect("an error");
        assert!(error.contains("rots"), "{error}");
    }
}
