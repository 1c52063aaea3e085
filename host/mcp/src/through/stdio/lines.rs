//! Output cut into lines, with a bound on how much of one is kept.

use std::collections::VecDeque;

use memchr::memchr;

/// One line, without its break; empty ones do not come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// The beginning of one that was longer than may be. The rest is dropped.
    Cut(Vec<u8>),
}

/// Bytes go in as they come, lines come out.
#[derive(Debug)]
pub(super) struct Lines {
    longest: usize,
    begun: Vec<u8>,
    /// The line that is being read was too long and has been given out.
    dropping: bool,
    ready: VecDeque<Line>,
}

impl Lines {
    pub(super) fn new(longest: usize) -> Lines {
        Lines {
            longest,
            begun: Vec::new(),
            dropping: false,
            ready: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, mut data: &[u8]) {
        while let Some(at) = memchr(b'\n', data) {
            self.extend(&data[..at]);
            self.end();
            data = &data[at + 1..];
        }
        self.extend(data);
    }

    /// What was begun is a line, too: nothing more comes.
    pub(super) fn end(&mut self) {
        let mut line = std::mem::take(&mut self.begun);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if !std::mem::take(&mut self.dropping) && !line.is_empty() {
            self.ready.push_back(Line::Whole(line));
        }
    }

    pub(super) fn next(&mut self) -> Option<Line> {
        self.ready.pop_front()
    }

    fn extend(&mut self, data: &[u8]) {
        if self.dropping {
            return;
        }
        let room = self.longest - self.begun.len();
        self.begun.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            self.dropping = true;
            self.ready
                .push_back(Line::Cut(std::mem::take(&mut self.begun)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(longest: usize, pieces: &[&str]) -> Vec<Line> {
        let mut lines = Lines::new(longest);
        for piece in pieces {
            lines.push(piece.as_bytes());
        }
        std::iter::from_fn(|| lines.next()).collect()
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    fn cut(text: &str) -> Line {
        Line::Cut(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let text = "{\"a\":1}\n\n\r\nb\r\nc d\nnot ended";
        let expected = [whole("{\"a\":1}"), whole("b"), whole("c d")];
        assert_eq!(lines(100, &[text]), expected);
        let single: Vec<String> = text.chars().map(String::from).collect();
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        assert_eq!(lines(100, &single), expected);
    }

    #[test]
    fn the_end_ends_a_line() {
        let mut lines = Lines::new(8);
        lines.push(b"last words");
        lines.end();
        lines.push(b"more");
        lines.end();
        assert_eq!(lines.next(), Some(cut("last wor")));
        assert_eq!(lines.next(), Some(whole("more")));
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn of_a_line_that_is_too_long_the_beginning_is_kept_and_the_next_one_is_whole() {
        assert_eq!(
            lines(4, &["abcd\nabcde\nx\n"]),
            [whole("abcd"), cut("abcd"), whole("x")]
        );
        assert_eq!(
            lines(4, &["ab", "cd", "ef", "gh\nx", "\n"]),
            [cut("abcd"), whole("x")]
        );
    }

    #[test]
    fn a_line_without_end_costs_no_more_than_its_bound() {
        let mut lines = Lines::new(4);
        for _ in 0..10_000 {
            lines.push(&[b'x'; 1000]);
        }
        assert_eq!(lines.next(), Some(cut("xxxx")));
        assert_eq!((lines.next(), lines.begun.capacity()), (None, 0));
    }
}
