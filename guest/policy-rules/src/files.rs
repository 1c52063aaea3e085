//! Several rule files in one configuration text.
//!
//! A line `# file: NAME` begins a file: what follows it is reported as that file's, from line 1. To Starlark it is a remark, so
//! such a text is a rule file itself, and `(for f in *.rules; do echo "# file: $f"; cat "$f"; done)` makes one.
//! A line `# home: PATH` says where `~/` leads in the paths of `host_executable`.

/// What a file is called that has no name.
const NAMELESS: &str = "rules";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The files of a configuration, in order.
pub(crate) fn split(config: &str) -> Vec<File> {
    let file = |name: &str| File {
        name: name.to_owned(),
        text: String::new(),
    };
    let mut files = vec![file(NAMELESS)];
    for line in config.split_inclusive('\n') {
        match header(line, "# file:") {
            Some(name) => files.push(file(name)),
            None => {
                let last = files.len() - 1;
                files[last].text.push_str(line);
            }
        }
    }
    files
}

/// Where `~/` leads, if the configuration says so.
pub(crate) fn home(config: &str) -> Option<&str> {
    config.lines().find_map(|line| header(line, "# home:"))
}

fn header<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)
        .map(str::trim)
        .filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_begins_a_file_with_lines_of_its_own() {
        let names = |config| -> Vec<(String, String)> {
            let files = split(config).into_iter();
            files.map(|file| (file.name, file.text)).collect()
        };
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(names(""), [file("rules", "")]);
        assert_eq!(names("a\nb"), [file("rules", "a\nb")]);
        assert_eq!(
            names(
                "# home: /h\n# file: a.rules\na\n\n# file: b c.rules \r\nb\n # file: no\n# file:\n"
            ),
            [
                file("rules", "# home: /h\n"),
                file("a.rules", "a\n\n"),
                file("b c.rules", "b\n # file: no\n# file:\n"),
            ]
        );
    }

    #[test]
    fn a_home_is_said_in_a_remark() {
        assert_eq!(home("a\n# home: /home/me\n"), Some("/home/me"));
        assert_eq!(home("# home:\nhome: /x"), None);
    }
}
