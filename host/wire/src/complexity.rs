//! Counts the JSON values of a big message before anything is decoded.
//!
//! A value is what stands between separators, so values = commas + containers that are not empty + 1. Strings are skipped
//! with memchr: a message of tens of MiB is nearly always one base64 string.

use crate::limits::{JSON_VALUES, JSON_VALUES_SCAN_FROM};

/// True when `message` holds more than [`JSON_VALUES`] values. Counts garbage as leniently as it likes: that fails to parse
/// anyway.
pub fn too_many_values(message: &str) -> bool {
    let bytes = message.as_bytes();
    if bytes.len() < JSON_VALUES_SCAN_FROM {
        return false;
    }
    let mut values = 1usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at),
            b',' => values += 1,
            b'[' | b'{' if !closes_at_once(bytes, at) => values += 1,
            _ => continue,
        }
        if values > JSON_VALUES {
            return true;
        }
    }
    false
}

/// Position after the quote that ends the string starting at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let Some(found) = bytes
            .get(at..)
            .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
        else {
            return bytes.len();
        };
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1; // the escaped character; of \uXXXX the digits are plain text
    }
}

fn closes_at_once(bytes: &[u8], at: usize) -> bool {
    bytes[at..]
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| matches!(byte, b']' | b'}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of `count` values in total, made of `value` in one array.
    fn message(value: &str, count: usize) -> String {
        let mut text = String::from("[");
        for n in 1..count {
            if n > 1 {
                text.push(',');
            }
            text.push_str(value);
        }
        text.push(']');
        text
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_not() {
        for value in ["1", "[]", "{ }", r#""a,[{\"b""#, r#""\\""#] {
            let fits = message(value, JSON_VALUES);
            assert!(!too_many_values(&fits), "{value}");
            let over = message(value, JSON_VALUES + 1);
            assert!(
                over.len() < JSON_VALUES_SCAN_FROM || too_many_values(&over),
                "{value}"
            );
        }
    }

    #[test]
    fn smallest_message_with_too_many_values_is_scanned() {
        let over = message("1", JSON_VALUES + 1);
        assert!(over.len() >= JSON_VALUES_SCAN_FROM);
        assert!(too_many_values(&over));
    }

    #[test]
    fn contents_of_strings_do_not_count() {
        let text = format!(r#"{{"a":"{}"}}"#, "[,{".repeat(JSON_VALUES));
        assert!(!too_many_values(&text));
    }

    #[test]
    fn deep_nesting_counts_each_level() {
        assert!(too_many_values(&format!(
            "{}1{}",
            "[".repeat(JSON_VALUES + 1),
            "]".repeat(JSON_VALUES + 1)
        )));
    }

    #[test]
    fn unfinished_strings_and_escapes_do_not_run_past_the_end() {
        let filler = " ".repeat(JSON_VALUES_SCAN_FROM);
        for end in ["\"", "\"\\", "\"abc", "[", "{", "\"\\\""] {
            assert!(!too_many_values(&format!("{filler}{end}")), "{end}");
        }
    }
}
