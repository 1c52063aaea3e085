//! Which stream sends next: deficit round robin by bytes, and who has just begun to send goes first (RFC 8290 does the same with flows).
//!
//! So a stream that sends much shares evenly with others that send much, and a small message of a quiet stream waits for one segment, not for a round.

use std::collections::{HashMap, VecDeque};

use crate::limits::SEGMENT_BYTES;

/// What a stream may send in a round.
const QUANTUM: i64 = SEGMENT_BYTES as i64;

/// What a stream answers when its turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It sends.
    Take,
    /// It would, but others have too much on their way.
    Later,
    /// It has nothing to send; it says so when it has.
    Pass,
}

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    new: VecDeque<u64>,
    old: VecDeque<u64>,
    shares: HashMap<u64, Share>,
}

/// Of a stream that is in one of the lanes.
#[derive(Debug)]
struct Share {
    /// What it may still send in this round; below 0 it has to wait.
    credit: i64,
    /// It waits in the old lane with nothing to send.
    is_idle: bool,
}

impl Schedule {
    /// The stream has something to send.
    pub(crate) fn activate(&mut self, key: u64) {
        let Some(share) = self.shares.get_mut(&key) else {
            let (credit, is_idle) = (QUANTUM, false);
            self.shares.insert(key, Share { credit, is_idle });
            return self.new.push_back(key);
        };
        // It goes first again as long as its share of this round lasts: so it has no more than others, only earlier.
        if std::mem::take(&mut share.is_idle) && share.credit > 0 {
            self.old.retain(|other| *other != key);
            self.new.push_back(key);
        }
    }

    /// The stream is gone.
    pub(crate) fn remove(&mut self, key: u64) {
        if self.shares.remove(&key).is_some() {
            self.new.retain(|other| *other != key);
            self.old.retain(|other| *other != key);
        }
    }

    /// Whose turn it is; the caller sends and says how much with [`Self::charge`].
    pub(crate) fn next(&mut self, mut ask: impl FnMut(u64) -> Turn) -> Option<u64> {
        let mut put_off = 0;
        loop {
            let is_new = !self.new.is_empty();
            let lane = if is_new { &mut self.new } else { &mut self.old };
            let key = *lane.front()?;
            let Some(share) = self.shares.get_mut(&key) else {
                lane.pop_front();
                continue;
            };
            let turn = if share.credit <= 0 {
                share.credit += QUANTUM;
                None
            } else {
                Some(ask(key))
            };
            if turn == Some(Turn::Take) {
                return Some(key);
            }
            lane.pop_front();
            // One that was new stays for a round of the old ones: its share is not a new one whenever it has something to send.
            if turn == Some(Turn::Pass) && (!is_new || self.old.is_empty()) {
                self.shares.remove(&key);
                continue;
            }
            share.is_idle = turn == Some(Turn::Pass);
            self.old.push_back(key);
            if turn == Some(Turn::Later) {
                put_off += 1;
                if put_off >= self.shares.len() {
                    return None;
                }
            }
        }
    }

    pub(crate) fn charge(&mut self, key: u64, bytes: usize) {
        if let Some(share) = self.shares.get_mut(&key) {
            share.credit -= bytes as i64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets streams send segments of these sizes, so many in all; says who sent how often.
    fn run(schedule: &mut Schedule, sizes: &[usize], turns: usize) -> Vec<usize> {
        let mut sent = vec![0; sizes.len()];
        for _ in 0..turns {
            let key = schedule.next(|_| Turn::Take).expect("somebody");
            sent[key as usize] += 1;
            schedule.charge(key, sizes[key as usize]);
        }
        sent
    }

    #[test]
    fn bytes_are_shared_evenly_whatever_the_size_of_the_segments() {
        let mut schedule = Schedule::default();
        (0..3).for_each(|key| schedule.activate(key));
        let sent = run(
            &mut schedule,
            &[SEGMENT_BYTES, SEGMENT_BYTES / 8, SEGMENT_BYTES / 2],
            1_100,
        );
        assert!((95..=105).contains(&sent[0]), "{sent:?}");
        assert!((760..=840).contains(&sent[1]), "{sent:?}");
    }

    #[test]
    fn who_begins_to_send_goes_first_while_its_share_lasts() {
        let mut schedule = Schedule::default();
        (0..100).for_each(|key| schedule.activate(key));
        run(&mut schedule, &[SEGMENT_BYTES; 100], 250);
        let mut first = 0;
        for _ in 0..20 {
            schedule.activate(100);
            let mut has_one = true;
            // Two turns: its own, and one of the others, before it has something again.
            for turn in 0..2 {
                let key = schedule.next(|key| {
                    if key < 100 || has_one {
                        Turn::Take
                    } else {
                        Turn::Pass
                    }
                });
                let key = key.expect("somebody");
                if key == 100 {
                    has_one = false;
                    first += usize::from(turn == 0);
                }
                schedule.charge(
                    key,
                    if key == 100 {
                        SEGMENT_BYTES / 8
                    } else {
                        SEGMENT_BYTES
                    },
                );
            }
        }
        assert_eq!(first, 8);
    }

    #[test]
    fn who_is_put_off_stays_and_who_passes_goes() {
        let mut schedule = Schedule::default();
        (0..3).for_each(|key| schedule.activate(key));
        assert_eq!(
            schedule.next(|key| if key == 1 { Turn::Pass } else { Turn::Later }),
            None
        );
        assert_eq!(
            schedule.next(|key| if key == 1 { Turn::Pass } else { Turn::Later }),
            None
        );
        let mut left = Vec::new();
        while let Some(key) = schedule.next(|_| Turn::Take) {
            left.push(key);
            schedule.remove(key);
        }
        left.sort_unstable();
        assert_eq!(left, [0, 2]);
        assert_eq!(schedule.next(|_| Turn::Take), None);
    }

    #[test]
    fn a_segment_of_any_size_is_paid_for() {
        let mut schedule = Schedule::default();
        (0..2).for_each(|key| schedule.activate(key));
        let turns = (64 << 20) / SEGMENT_BYTES;
        let sent = run(&mut schedule, &[64 << 20, SEGMENT_BYTES], turns);
        assert_eq!(sent, [1, turns - 1]);
    }
}
