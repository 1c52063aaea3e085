//! What became of a program, and what it said last.

use std::collections::VecDeque;
use std::fmt;

use super::super::limits;
use super::lines::{Line, Lines};

/// How a program ended, with its last words on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub how: How,
    /// Its last lines on stderr, oldest first. Values of [`super::StdioServer::secret_env`] are left out.
    pub stderr: Vec<String>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// By itself: 128 + n after signal n, -1 when unknown.
    Exited(i32),
    /// It was asked to, because the connection to it was closed; its code, if it came in time, and -1 if it had to be killed.
    Closed(Option<i32>),
    /// It was made to, because what it wrote is no MCP.
    Unreadable(String),
    /// The executor, or the way to it, failed first.
    Lost(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Exited(code @ 129..) => {
                write!(f, "it ended by signal {} (code {code})", code - 128)
            }
            How::Exited(-1) => f.write_str("it ended, and nobody knows how"),
            How::Exited(code) => write!(f, "it exited with code {code}"),
            How::Closed(Some(-1)) => f.write_str("it was closed, and had to be killed"),
            How::Closed(Some(code)) => write!(f, "it was closed, and exited with code {code}"),
            How::Closed(None) => f.write_str("it was closed"),
            How::Unreadable(why) => write!(f, "it was ended, because {why}"),
            How::Lost(why) => write!(f, "the executor lost it: {why}"),
        }?;
        match self.stderr.as_slice() {
            [] => f.write_str(", with nothing on stderr"),
            lines => write!(f, "; its last words on stderr:\n{}", lines.join("\n")),
        }
    }
}

/// The stderr of a program: logged line by line, and the last ones kept.
pub(super) struct LastWords {
    program: String,
    lines: Lines,
    kept: VecDeque<String>,
    secrets: Vec<String>,
}

impl LastWords {
    pub(super) fn new(program: String, secrets: Vec<String>) -> LastWords {
        let mut secrets: Vec<String> = secrets.iter().flat_map(|secret| by_line(secret)).collect();
        // The longest first: one may be the beginning of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        LastWords {
            program,
            lines: Lines::new(limits::STDERR_LINE_BYTES),
            kept: VecDeque::new(),
            secrets,
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.lines.push(data);
        self.take();
    }

    /// All that is left of them; nothing more comes.
    pub(super) fn end(&mut self) -> Vec<String> {
        self.lines.end();
        self.take();
        std::mem::take(&mut self.kept).into()
    }

    fn take(&mut self) {
        while let Some(line) = self.lines.next() {
            let (bytes, cut) = match line {
                Line::Whole(bytes) => (bytes, ""),
                Line::Cut(bytes) => (bytes, " [...]"),
            };
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            if !cut.is_empty() {
                self.drop_begun_secret(&mut text);
            }
            let text = self.shown(&text) + cut;
            tracing::debug!(program = self.program, "an MCP server says: {text}");
            if self.kept.len() == limits::STDERR_LINES {
                self.kept.pop_front();
            }
            self.kept.push_back(text);
        }
    }

    /// Where a line was cut, a secret may have been.
    fn drop_begun_secret(&self, text: &mut String) {
        let begun = self.secrets.iter().flat_map(|secret| {
            let ends = secret.char_indices().map(|(end, _)| &secret[..end]);
            ends.filter(|begun| text.ends_with(*begun)).map(str::len)
        });
        let longest = begun.max().unwrap_or_default();
        text.truncate(text.len() - longest);
    }

    /// Without secrets, and without what would steer a terminal.
    fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "[secret]");
        }
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            match c.is_control() && c != '\t' {
                true => shown.extend(c.escape_default()),
                false => shown.push(c),
            }
        }
        shown
    }
}

/// A secret as it may come: what a program prints comes by line, so of a key in PEM each line is one. Of several, those that are short are not: a
/// bracket would be left out everywhere.
fn by_line(secret: &str) -> Vec<String> {
    let lines: Vec<&str> = secret.lines().map(str::trim).collect();
    let is_secret = |line: &&str| !line.is_empty() && (lines.len() == 1 || line.len() >= 4);
    let secrets = lines.iter().copied().filter(is_secret);
    secrets.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_last_ones_without_secrets_and_controls() {
        let mut words = LastWords::new("x".into(), vec!["hunter2hunter2".into()]);
        for number in 0..100 {
            words.push(format!("line {number}\n").as_bytes());
        }
        words.push(b"token=hunter2hunter2 \x1b[31mred\x07\n\xff");
        let said = words.end();
        assert_eq!(said.len(), limits::STDERR_LINES);
        assert_eq!(said[0], "line 78");
        assert_eq!(said[22], r"token=[secret] \u{1b}[31mred\u{7}");
        assert_eq!(said[23], "\u{fffd}");
    }

    #[test]
    fn of_a_secret_of_several_lines_each_is_one() {
        let key = "-----BEGIN KEY-----\r\nMIIEvQIBADAN\n  abcdef==\n}\n-----END KEY-----\n";
        let mut words = LastWords::new("x".into(), vec![key.into()]);
        words.push(key.as_bytes());
        words.push(b"{ MIIEvQIBADAN }\n");
        assert_eq!(
            words.end(),
            [
                "[secret]",
                "[secret]",
                "  [secret]",
                "}",
                "[secret]",
                "{ [secret] }"
            ]
        );
    }

    #[test]
    fn half_a_secret_is_not_said_either() {
        let mut words = LastWords::new("x".into(), vec!["hunter2".into()]);
        let filler = "z".repeat(limits::STDERR_LINE_BYTES - 4);
        words.push(format!("{filler}hunter2\n").as_bytes());
        assert_eq!(words.end(), [format!("{filler} [...]")]);
    }

    #[test]
    fn a_flood_of_stderr_costs_little() {
        let mut words = LastWords::new("x".into(), Vec::new());
        for _ in 0..1000 {
            words.push(&[b'y'; 64 * 1024]);
        }
        let said = words.end();
        assert_eq!(said.len(), 1);
        assert!(said[0].ends_with("y [...]") && said[0].len() <= limits::STDERR_LINE_BYTES + 8);
    }

    #[test]
    fn an_ending_says_what_happened() {
        let ending = |how, stderr: &[&str]| {
            let stderr = stderr.iter().map(|line| (*line).to_owned()).collect();
            Ending { how, stderr }.to_string()
        };
        assert_eq!(
            ending(How::Exited(3), &[]),
            "it exited with code 3, with nothing on stderr"
        );
        assert_eq!(
            ending(How::Exited(137), &["a", "b"]),
            "it ended by signal 9 (code 137); its last words on stderr:\na\nb"
        );
    }
}
