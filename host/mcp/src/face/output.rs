//! Output that is kept in bounds: its beginning and its end, and how much is missing in between.

use std::collections::VecDeque;

/// Output since it was last taken.
#[derive(Debug, Default)]
pub(super) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    omitted: u64,
}

/// What was taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// What is not UTF-8 is replaced. Where bytes are missing, a line says how many.
    pub(super) text: String,
    /// Bytes that are missing in the middle.
    pub(super) omitted: u64,
}

impl Kept {
    /// Takes in what was written, with room for `most` bytes.
    pub(super) fn push(&mut self, data: &[u8], most: usize) {
        let room = (most / 2).saturating_sub(self.head.len());
        let (first, rest) = match self.tail.is_empty() && self.omitted == 0 {
            true => data.split_at(room.min(data.len())),
            false => (&[][..], data),
        };
        self.head.extend_from_slice(first);
        let most_tail = most - most / 2;
        let skipped = rest.len().saturating_sub(most_tail);
        self.tail.extend(&rest[skipped..]);
        let over = self.tail.len().saturating_sub(most_tail);
        self.tail.drain(..over);
        self.omitted += (skipped + over) as u64;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// Bytes that were written since it was last taken.
    pub(super) fn bytes(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.omitted
    }

    /// Gives at most `most` bytes of it and begins anew. A character that is not complete yet stays, unless it is the end.
    pub(super) fn take(&mut self, most: usize, is_end: bool) -> Taken {
        let kept = std::mem::take(self);
        let (mut first, mut last) = (kept.head, Vec::from(kept.tail));
        if !is_end {
            let end = if last.is_empty() {
                &mut first
            } else {
                &mut last
            };
            self.head = end.split_off(end.len() - incomplete(end));
        }
        let all = kept.omitted + (first.len() + last.len()) as u64;
        if kept.omitted == 0 {
            first.append(&mut last);
            if first.len() > most {
                last = first.split_off(most / 2);
            }
        }
        if !last.is_empty() {
            first.truncate(most / 2);
            last.drain(..last.len().saturating_sub(most - most / 2));
            // Half a character at either side of the gap is part of the gap.
            first.truncate(first.len() - incomplete(&first));
            let stray = last.iter().take_while(|byte| is_continuation(**byte));
            let stray = stray.take(3).count();
            last.drain(..stray);
        }
        let omitted = all - (first.len() + last.len()) as u64;
        let mut text = String::from_utf8_lossy(&first).into_owned();
        if omitted > 0 {
            text.push_str(&format!("\n[... {omitted} bytes left out ...]\n"));
        }
        text.push_str(&String::from_utf8_lossy(&last));
        Taken { text, omitted }
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Bytes at the end that begin a character and do not finish it.
pub(super) fn incomplete(bytes: &[u8]) -> usize {
    let mut after = 0;
    for byte in bytes.iter().rev().take(4) {
        after += 1;
        let length = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            byte if is_continuation(*byte) => continue,
            _ => return 0,
        };
        return if after < length { after } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pieces: &[&str], most: usize) -> Kept {
        let mut kept = Kept::default();
        for piece in pieces {
            kept.push(piece.as_bytes(), most);
        }
        kept
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let taken = kept(&["abc", "def"], 6).take(6, true);
        assert_eq!((taken.text.as_str(), taken.omitted), ("abcdef", 0));
    }

    #[test]
    fn what_does_not_fit_loses_its_middle_and_says_so() {
        let mut kept = kept(&["abc", "0123456789", "xyz"], 6);
        assert_eq!(kept.bytes(), 16);
        let taken = kept.take(6, true);
        assert_eq!(taken.text, "abc\n[... 10 bytes left out ...]\nxyz");
        assert_eq!(taken.omitted, 10);
        assert!(kept.is_empty());
    }

    #[test]
    fn less_can_be_taken_than_was_kept() {
        let taken = kept(&["abcdefghij"], 100).take(4, true);
        assert_eq!(taken.text, "ab\n[... 6 bytes left out ...]\nij");
        let taken = kept(&["abc", "0123456789", "xyz"], 6).take(2, true);
        assert_eq!(taken.text, "a\n[... 14 bytes left out ...]\nz");
    }

    #[test]
    fn characters_are_not_cut() {
        let mut kept = Kept::default();
        kept.push("ä".as_bytes(), 100);
        kept.push(&"ö".as_bytes()[..1], 100);
        assert_eq!(kept.take(100, false).text, "ä");
        kept.push(&"ö".as_bytes()[1..], 100);
        assert_eq!(kept.take(100, false).text, "ö");
        for most in 2..12 {
            let mut kept = Kept::default();
            kept.push("äöüäöüäöü".as_bytes(), most);
            let taken = kept.take(most, true);
            assert!(!taken.text.contains('\u{fffd}'), "{most}: {}", taken.text);
        }
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        let mut kept = Kept::default();
        kept.push(&[0xff, b'a', 0xe2], 100);
        assert_eq!(kept.take(100, true).text, "\u{fffd}a\u{fffd}");
    }
}
