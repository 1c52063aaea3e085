//! Which frames of a plain peer were there before.
//!
//! A plain peer sends nothing again and its frames come through one websocket after another, so a gap is not waited for: what is missing will not come.
//! What something in between delivers twice is taken once.

/// How far back numbers are remembered.
const REMEMBERED: u32 = 64;

/// The newest number, and a bit for each of those before it. Plain peers wrap, so "newer" is by half of the circle.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    newest: Option<u32>,
    before: u64,
    /// The peer surely counts.
    counts: bool,
}

impl Seen {
    /// Whether a frame with this number is new. Who numbers all frames 0 does not count, and is taken as it comes.
    pub(crate) fn is_new(&mut self, seq: u32) -> bool {
        let Some(newest) = self.newest else {
            self.newest = Some(seq);
            return true;
        };
        if seq == newest {
            return newest == 0 && self.before == 0 && !self.counts;
        }
        let ahead = seq.wrapping_sub(newest);
        if ahead < 1 << 31 {
            // The newest until now becomes one of those before, `ahead` back.
            self.before = if ahead > REMEMBERED {
                0
            } else {
                self.before.checked_shl(ahead).unwrap_or(0) | 1 << (ahead - 1)
            };
            self.newest = Some(seq);
            return true;
        }
        let back = newest.wrapping_sub(seq);
        if back > REMEMBERED {
            return false;
        }
        let bit = 1 << (back - 1);
        let new = self.before & bit == 0;
        self.before |= bit;
        new
    }

    /// It is known that the peer counts: of numbers 0, too, only the first is new.
    pub(crate) fn must_count(&mut self) {
        self.counts = true;
    }

    /// The number that comes next, if the peer counts on.
    pub(crate) fn next(&self) -> u32 {
        self.newest.map_or(0, |newest| newest.wrapping_add(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_does_not_count_is_taken_as_it_comes() {
        let mut seen = Seen::default();
        assert!((0..5).all(|_| seen.is_new(0)));
    }

    #[test]
    fn a_gap_is_not_waited_for_and_what_comes_late_is_taken_once() {
        let mut seen = Seen::default();
        let new: Vec<_> = [0, 1, 3, 3, 2, 2, 1, 70, 6, 5, 69]
            .map(|seq| seen.is_new(seq))
            .into();
        let expected = [
            true, true, true, false, true, false, false, true, true, false, true,
        ];
        assert_eq!(new, expected);
    }

    proptest! {
        #[test]
        fn near_numbers_are_taken_exactly_once_also_where_they_wrap(start: u32, steps in prop::collection::vec(0..40u32, 1..200)) {
            let mut seen = Seen::default();
            prop_assert!(seen.is_new(start));
            let mut known = HashSet::from([start]);
            let mut newest = start;
            for step in steps {
                let seq = newest.wrapping_add(step).wrapping_sub(20);
                if start == 0 && newest == 0 && step <= 20 {
                    continue;
                }
                prop_assert_eq!(seen.is_new(seq), known.insert(seq), "{}", seq);
                if seq.wrapping_sub(newest) < 1 << 31 {
                    newest = seq;
                }
            }
        }
    }
}
