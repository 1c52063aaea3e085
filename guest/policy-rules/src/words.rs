//! Splits an example of a rule file into words, as a POSIX shell would if it expanded nothing.

/// The words of a text; none where a quote is not closed or a backslash ends it.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        match next {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            // A remark, to the end of the line.
            '#' if word.is_none() => while chars.next().is_some_and(|c| c != '\n') {},
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            '\n' => {}
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => match chars.next()? {
                '\n' => {}
                escaped => word.get_or_insert_default().push(escaped),
            },
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_by_a_shell_without_expansions() {
        for (text, words) in [
            ("", &[][..]),
            ("  git\tstatus\n", &["git", "status"]),
            (
                "git commit -m 'a b' \"c d\"",
                &["git", "commit", "-m", "a b", "c d"],
            ),
            (
                r#"a\ b "c\"d" 'e\f' "g\h""#,
                &["a b", "c\"d", r"e\f", r"g\h"],
            ),
            ("a'b'\"c\"d", &["abcd"]),
            ("'' \"\"", &["", ""]),
            ("a # b\nc", &["a", "c"]),
            ("a#b", &["a#b"]),
            ("a && $b", &["a", "&&", "$b"]),
        ] {
            assert_eq!(split(text).expect("closed"), words, "{text}");
        }
        for text in ["'a", "\"a", "a\\", "\"a\\", "'"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
