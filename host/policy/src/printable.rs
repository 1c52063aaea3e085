//! Text from elsewhere, fit to be shown: on a terminal, in a line of a log.
//!
//! Paths and commands are chosen by clients, and policies quote them. What would drive the terminal, begin another line or have what stands beside it
//! read in another order is shown as its escape instead.

use std::borrow::Cow;

use lockgate_grant::unseen::{is_unfit, misleads};

/// As one line.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_unfit)
}

/// The same between marks that nothing in it can be taken for: where other words stand beside it.
pub fn quoted(text: &str) -> String {
    let mut said = String::with_capacity(text.len() + 2);
    said.push('"');
    for c in text.chars() {
        match misleads(c) || matches!(c, '"' | '\\') {
            false => said.push(c),
            true => said.extend(c.escape_default()),
        }
    }
    said.push('"');
    said
}

/// Where the text is several lines by intention, as a report is: these stay, and tabs in them.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_unfit(c) && !matches!(c, '\n' | '\t'))
}

/// Encoded JSON, which stays what it is: such characters stand in its strings only, and are escaped there as JSON does it.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_unfit_in_json) {
        return Cow::Borrowed(json);
    }
    let mut said = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match is_unfit_in_json(c) {
            false => said.push(c),
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    said.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    Cow::Owned(said)
}

fn escaped(text: &str, is_unfit: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unfit) {
        return Cow::Borrowed(text);
    }
    let mut said = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_unfit(c) {
            false => said.push(c),
            true => said.extend(c.escape_default()),
        }
    }
    Cow::Owned(said)
}

/// Line breaks between its members are its own; those in its strings are escaped already.
fn is_unfit_in_json(c: char) -> bool {
    is_unfit(c) && c != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind.
    const UNFIT: &str = "\0\u{1b}[2J\r\u{7f}\u{85}\u{9b}\u{61c}\u{200e}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}\u{e0041}\u{ad}\u{3164}\u{2800}";

    #[test]
    fn what_drives_a_terminal_or_reorders_is_shown_as_its_escape() {
        assert_eq!(
            printable("a b \u{e9} \\ \u{1f600}"),
            "a b \u{e9} \\ \u{1f600}"
        );
        assert_eq!(
            printable("\u{1b}[2J\n\t\u{9b}\u{202e}"),
            r"\u{1b}[2J\n\t\u{9b}\u{202e}"
        );
        assert_eq!(printable_lines("a\n\tb\r\u{85}"), "a\n\tb\\r\\u{85}");
        for shown in [printable(UNFIT), printable_lines(UNFIT)] {
            assert!(!shown.contains(is_unfit), "{shown:?}");
        }
    }

    #[test]
    fn what_is_quoted_ends_only_where_it_ends() {
        assert_eq!(quoted("/a b"), r#""/a b""#);
        assert_eq!(
            quoted("/a\" -> \"\\\n\u{3164}\u{fe0f}"),
            r#""/a\" -> \"\\\n\u{3164}\u{fe0f}""#
        );
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a\u{85}": [UNFIT, "plain \u{e9}"]});
        for json in [
            value.to_string(),
            serde_json::to_string_pretty(&value).expect("encoded"),
        ] {
            let shown = printable_json(&json);
            assert!(!shown.contains(is_unfit_in_json), "{shown:?}");
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"),
                value
            );
        }
    }
}
