//! A message without the value that is known from the one before.
//!
//! A client sends the same `sandbox` with every request of a turn, a kilobyte of it, and finding out that it is sound JSON takes
//! longer than all the rest of a small call's envelope. A shortened message has `{}` in its place. It is sound exactly if the whole
//! message is: before the place stand a quote and a colon, so what stands there is a value, and one sound value takes the place of another.
//! (Inside a string it cannot be: the value begins with a brace and has quotes of its own, and the one before the colon ends any string.)

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Shorter values are read faster than they are recognized.
const WORTH: usize = 256;

/// What stands before the value.
const MEMBER: &[u8] = b"\"sandbox\":";

/// What stands in its place. An object, too: a number would go on with what stands behind it (`.5`), which an object does not.
const PLACE: &str = "{}";

/// A message, and how it reads without the value.
pub(crate) struct Shortened<'a> {
    message: &'a str,
    text: String,
    /// Where the value was.
    at: usize,
    /// Bytes that are missing.
    missing: usize,
}

impl<'a> Shortened<'a> {
    /// Takes `value`, a sound JSON object, out of the message if it is the first member `sandbox` in it.
    pub(crate) fn new(message: &'a str, value: &str) -> Option<Shortened<'a>> {
        static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MEMBER));
        if value.len() < WORTH || !value.starts_with('{') {
            return None;
        }
        let after = FINDER.find(message.as_bytes())? + MEMBER.len();
        let rest = message[after..].trim_start_matches([' ', '\t', '\n', '\r']);
        let at = message.len() - rest.len();
        let behind = rest.strip_prefix(value)?;
        let mut text = String::with_capacity(at + PLACE.len() + behind.len());
        text.push_str(&message[..at]);
        text.push_str(PLACE);
        text.push_str(behind);
        Some(Shortened {
            message,
            text,
            at,
            missing: value.len() - PLACE.len(),
        })
    }

    /// The shortened message.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The part of the whole message that became `part` of the shortened one.
    pub(crate) fn whole(&self, part: &str) -> Option<&'a str> {
        let begin = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        let end = begin + part.len();
        let lengthened = |place: usize| match place > self.at {
            true => place + self.missing,
            false => place,
        };
        self.message.get(lengthened(begin)..lengthened(end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::Incoming;

    /// What is read of a message, whichever way.
    fn told(read: Result<Incoming<'_>, crate::Malformed>) -> String {
        format!("{read:?}")
    }

    #[track_caller]
    fn same(message: &str, value: &str) {
        assert_eq!(
            told(Incoming::parse_expecting(message, Some(value))),
            told(Incoming::parse(message)),
            "{message}"
        );
    }

    /// As long as it takes to be recognized.
    fn value() -> String {
        format!(
            r#"{{"permissions":{{"a":["{}",1,null]}},"b":"\\\""}}"#,
            "x".repeat(300)
        )
    }

    #[test]
    fn a_message_reads_the_same_with_a_value_that_is_known() {
        let value = value();
        for message in [
            r#"{"id":1,"method":"fs/readFile","params":{"path":"/a","sandbox":V}}"#,
            r#"{"id":1,"method":"fs/readFile","params":{"sandbox": V ,"path":"/a"},"trace":{"traceparent":"t"}}"#,
            r#"{"trace":{"sandbox":V},"params":[1],"method":"m","id":"x"}"#,
            r#"{"params":{"sandbox":V,"sandbox":V},"method":"a\nb","id":1}"#,
            r#"{"sandbox":V,"id":1,"method":"m"}"#,
            r#"{"sandbox":V,"method":"m"}"#,
            r#"{"sandbox":V,"id":1,"result":{"sandbox":V}}"#,
            // What is no JSON is none either way, and is told in the same words.
            r#"{"id":1,"method":"m","params":{"sandbox":VV}}"#,
            r#"{"id":1,"method":"m","params":{"sandbox":V}"#,
            r#"{"id":1,"method":"m","params":{"sandbox":V}}}"#,
            r#"{"id":1,"method":"m","params":{"sandbox":V1}}"#,
            r#"{"id":1,"method":"m","params":{"sandbox":V.5}}"#,
            r#"{"id":1,"method":"m","params":{"sandbox":Ve5}}"#,
            r#"{"id":1,"method":"m","params":{"sandbox":VE-1}}"#,
            r#"{"id":1,"method":"m","params":{"sandbox":V.0e+9,"path":"/a"}}"#,
            r#"{"id":1,"method":"m","params":"x"sandbox":V}"#,
            r#"{"id":1,"method":"m","params":"\"sandbox\":V"}"#,
            r#"{"id":1,"method":"m","params":{"x\"sandbox":V}}"#,
            r#""sandbox":V"#,
            r#"["sandbox":V]"#,
            r#"{"id":null,"method":"m","params":{"sandbox":V}}"#,
            r#"{"id":1,"params":{"sandbox":V}}"#,
        ] {
            same(&message.replace('V', &value), &value);
            same(&message.replace('V', "7"), &value);
        }
    }

    proptest! {
        #[test]
        fn whatever_surrounds_a_known_value_means_the_same(before in r#"[\[\]{}",:0sandbox\\ ]{0,12}"#, behind in r#"[\[\]{}",:0sandbox\\ ]{0,12}"#, inside: bool) {
            let value = value();
            let message = match inside {
                true => format!(r#"{{"id":1,"method":"m","params":{{{before}"sandbox":{value}{behind}}}}}"#),
                false => format!(r#"{before}"sandbox":{value}{behind}"#),
            };
            same(&message, &value);
        }
    }
}
