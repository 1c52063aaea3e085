//! What the policy engines share: a configuration text in parts, and answers that are no longer than the host takes.
//!
//! An engine's configuration is what its users already have, and nothing else has to be learned: a file of Cedar or of Rego. What goes with it
//! follows in parts of its own, each after a line `--- NAME`, as in `--- entities`. Errors count lines from the beginning of the whole text.

/// One part of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// What stands after `---`; empty for what is before the first such line.
    pub name: &'a str,
    /// Without the line that names it.
    pub text: &'a str,
    /// Lines of the whole text before this part's first.
    pub lines_before: usize,
}

/// Takes a configuration apart. Only the parts `known` may be there, each once; the first part, which has no name, always is.
pub fn parts<'a>(text: &'a str, known: &[&str]) -> Result<Vec<Part<'a>>, String> {
    let mut parts = vec![Part {
        name: "",
        text,
        lines_before: 0,
    }];
    let (mut begin, mut offset) = (0, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let start = offset;
        offset += line.len();
        let Some(name) = line.strip_prefix("---") else {
            continue;
        };
        let name = name.trim();
        if !known.contains(&name) {
            let known: Vec<_> = known.iter().map(|name| format!("`--- {name}`")).collect();
            return Err(format!(
                "line {number}: there is no part {name:?}; after the policy there can be {}",
                known.join(", ")
            ));
        }
        if parts.iter().any(|part| part.name == name) {
            return Err(format!("line {number}: a second part {name:?}"));
        }
        if let Some(last) = parts.last_mut() {
            last.text = &text[begin..start];
        }
        begin = offset;
        parts.push(Part {
            name,
            text: &text[begin..],
            lines_before: number,
        });
    }
    Ok(parts)
}

impl Part<'_> {
    /// `line 3, column 7` of the whole text, for a byte of this part.
    pub fn position(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        self.at(line, column)
    }

    /// `line 3, column 7` of the whole text, for a line and a column of this part, both from 1.
    pub fn at(&self, line: usize, column: usize) -> String {
        format!("line {}, column {column}", self.lines_before + line)
    }
}

/// A reason, a question: what is longer is no message for anybody. The host takes a little more and no longer answer at all.
pub const MESSAGE_BYTES: usize = 4000;

/// A rule's name; the host takes no longer one.
pub const NAME_BYTES: usize = 256;

/// A text of at most so many bytes, with `…` at its end if it was longer.
pub fn cut(text: &str, bytes: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let most = bytes.saturating_sub(MARK.len());
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
    format!("{}{MARK}", &text[..end.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_separators_is_one_part() {
        for text in ["", "a\nb", "a --- data\n ---data\n"] {
            let found = parts(text, &["data"]).expect("parts");
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].name, found[0].text), ("", text));
        }
    }

    #[test]
    fn parts_follow_the_policy_and_know_their_lines() {
        let text = "one\ntwo\n--- data  \r\n{\n}\n---schema\nlast";
        let found = parts(text, &["data", "schema"]).expect("parts");
        let seen: Vec<_> = found.iter().map(|part| (part.name, part.text)).collect();
        assert_eq!(
            seen,
            [("", "one\ntwo\n"), ("data", "{\n}\n"), ("schema", "last")]
        );
        assert_eq!(found[0].position(5), "line 2, column 2");
        assert_eq!(found[1].position(0), "line 4, column 1");
        assert_eq!(found[2].position(2), "line 7, column 3");
        assert_eq!(found[2].position(99), "line 7, column 5");
        assert_eq!(found[1].at(2, 1), "line 5, column 1");
    }

    #[test]
    fn columns_count_characters() {
        let part = Part {
            name: "",
            text: "ä€x",
            lines_before: 0,
        };
        assert_eq!(part.position("ä€".len()), "line 1, column 3");
        assert_eq!(part.position(1), "line 1, column 4", "no boundary: the end");
    }

    #[test]
    fn unknown_and_repeated_parts_are_refused() {
        let error = parts("a\n--- dada\n", &["data", "schema"]).expect_err("unknown");
        assert_eq!(
            error,
            "line 2: there is no part \"dada\"; after the policy there can be `--- data`, `--- schema`"
        );
        let error = parts("--- data\n--- data\n", &["data"]).expect_err("twice");
        assert_eq!(error, "line 2: a second part \"data\"");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "ab…");
        assert_eq!(cut("äöü", 5), "ä…");
        assert_eq!(cut("äöü", 4), "…");
        assert!(cut(&"ä".repeat(5000), MESSAGE_BYTES).len() <= MESSAGE_BYTES);
    }
}
