//! The lines of a text that were asked for, collected from its blocks.

use super::Result;
use crate::face::output::incomplete;

/// Collects the lines that were asked for.
pub(super) struct Lines {
    first: u64,
    last: u64,
    /// Bytes of the first line that are passed over, and how many of them are to come.
    offset: u64,
    ahead: u64,
    most: usize,
    /// The line that the next byte belongs to.
    pub(super) line: u64,
    text: Vec<u8>,
    /// Where in the text the line begins that is being collected.
    begin: usize,
    is_cut: bool,
    next: Option<u64>,
    next_offset: Option<u64>,
}

impl Lines {
    pub(super) fn new(first: u64, lines: u64, most: usize) -> Lines {
        Lines {
            first,
            last: first.saturating_add(lines - 1),
            offset: 0,
            ahead: 0,
            most,
            line: 1,
            text: Vec::new(),
            begin: 0,
            is_cut: false,
            next: None,
            next_offset: None,
        }
    }

    /// Begins within the first line.
    pub(super) fn from(mut self, offset: u64) -> Lines {
        (self.offset, self.ahead) = (offset, offset);
        self
    }

    pub(super) fn is_before(&self) -> bool {
        self.line < self.first || self.ahead > 0
    }

    /// Takes in the next bytes. True once nothing more is wanted.
    pub(super) fn take(&mut self, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            if self.line > self.last {
                self.next = Some(self.line);
                return true;
            }
            let end = memchr::memchr(b'\n', data);
            let length = end.map_or(data.len(), |end| end + 1);
            let (mut piece, rest) = data.split_at(length);
            if self.line == self.first && self.ahead > 0 {
                let passed = self.ahead.min(end.unwrap_or(length) as u64);
                self.ahead -= passed;
                piece = &piece[passed as usize..];
                if self.ahead > 0 && end.is_some() {
                    // The line is shorter.
                    return true;
                }
            }
            if !self.is_before() {
                if self.text.len() + piece.len() > self.most {
                    return self.is_full(piece);
                }
                self.text.extend_from_slice(piece);
            }
            if end.is_some() {
                self.line += 1;
                self.begin = self.text.len();
            }
            data = rest;
        }
        false
    }

    /// The line does not fit: it comes next time, unless it would not fit then, either.
    fn is_full(&mut self, piece: &[u8]) -> bool {
        if self.begin > 0 {
            self.text.truncate(self.begin);
            self.next = Some(self.line);
        } else {
            let room = self.most - self.text.len();
            self.text.extend_from_slice(&piece[..room]);
            let cut = incomplete(&self.text);
            self.text.truncate(self.text.len() - cut);
            self.is_cut = true;
            self.next = Some(self.line);
            let before = if self.line == self.first {
                self.offset
            } else {
                0
            };
            self.next_offset = Some(before + self.text.len() as u64);
        }
        true
    }

    pub(super) fn end(self, path: String) -> Result {
        let is_lossy = std::str::from_utf8(&self.text).is_err();
        let text = String::from_utf8_lossy(&self.text).into_owned();
        Result {
            path,
            start_line: self.first,
            lines: text.lines().count() as u64,
            text: Some(text),
            next_line: self.next,
            next_offset: self.next_offset,
            line_is_cut: self.is_cut,
            is_lossy,
            media_type: None,
            bytes: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(blocks: &[&str], first: u64, lines: u64, most: usize) -> Result {
        let mut collected = Lines::new(first, lines, most);
        for block in blocks {
            if collected.take(block.as_bytes()) {
                break;
            }
        }
        collected.end("p".to_owned())
    }

    #[test]
    fn lines_are_found_across_blocks() {
        for blocks in [&["a\nb\nc\nd"][..], &["a", "\nb", "\nc\n", "d"]] {
            let read = lines(blocks, 2, 2, 100);
            assert_eq!(read.text.as_deref(), Some("b\nc\n"));
            assert_eq!((read.lines, read.next_line), (2, Some(4)));
            let read = lines(blocks, 3, 10, 100);
            assert_eq!((read.text.as_deref(), read.next_line), (Some("c\nd"), None));
            assert_eq!(lines(blocks, 9, 1, 100).lines, 0);
        }
    }

    #[test]
    fn the_end_of_the_last_line_asked_for_is_the_end_if_nothing_follows() {
        assert_eq!(lines(&["a\nb\n"], 1, 2, 100).next_line, None);
        assert_eq!(lines(&["a\n", "b\n", "c"], 1, 2, 100).next_line, Some(3));
    }

    #[test]
    fn a_line_that_does_not_fit_comes_next_time() {
        let read = lines(&["aaaa\nbb", "bb\n"], 1, 10, 6);
        assert_eq!(read.text.as_deref(), Some("aaaa\n"));
        assert_eq!((read.next_line, read.line_is_cut), (Some(2), false));
    }

    #[test]
    fn a_line_that_never_fits_is_cut_between_characters() {
        let read = lines(&["ääää\nb\n"], 1, 10, 5);
        assert_eq!(read.text.as_deref(), Some("ää"));
        assert_eq!((read.next_line, read.line_is_cut), (Some(1), true));
        assert_eq!(read.next_offset, Some(4));
    }

    #[test]
    fn all_of_a_file_can_be_read_however_long_its_lines_are() {
        for file in [
            "ä-long-line-without-an-end",
            "short\nä-line-that-is-long\n\nend\n",
            "long-at-the-end-\n",
        ] {
            let (mut line, mut offset, mut all) = (1, 0, String::new());
            loop {
                let mut collected = Lines::new(line, 10, 5).from(offset);
                for block in file.as_bytes().chunks(3) {
                    if collected.take(block) {
                        break;
                    }
                }
                let read = collected.end("p".to_owned());
                let text = read.text.expect("text");
                assert!(
                    !text.is_empty() && !read.is_lossy,
                    "{file:?} at {line}, {offset}"
                );
                all.push_str(&text);
                match read.next_line {
                    Some(next) => (line, offset) = (next, read.next_offset.unwrap_or(0)),
                    None => break,
                }
            }
            assert_eq!(all, file);
        }
    }

    #[test]
    fn a_place_behind_the_end_of_a_line_is_not_one_in_the_next_line() {
        let mut collected = Lines::new(1, 10, 100).from(3);
        assert!(collected.take(b"ab\ncd\n") && collected.is_before());
        let mut at_its_end = Lines::new(1, 10, 100).from(2);
        at_its_end.take(b"ab\ncd\n");
        assert_eq!(
            at_its_end.end("p".to_owned()).text.as_deref(),
            Some("\ncd\n")
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_are_told_also_beyond_the_beginning() {
        let mut collected = Lines::new(2, 1, 100);
        collected.take(b"text\n");
        collected.take(b"\xff\n");
        assert!(collected.end("p".to_owned()).is_lossy);
        assert!(!lines(&["ä\n"], 1, 1, 100).is_lossy);
    }
}
