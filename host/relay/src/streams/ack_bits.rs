//! What has been received, in the two numbers that every frame carries.
//!
//! `ack` is the number before the first one that is missing, and bit i tells of `ack + 1 + i`. Both at 0 is what a plain peer sends, so we never do:
//! where it would come out, number 0 is acknowledged with a bit above [`seq::NOTHING`], which says the same.

use crate::streams::frame::Acks;
use crate::streams::seq;

/// Everything before `first` has come, `first` has not, and of the others those that `came` says.
pub(crate) fn write(first: u32, came: impl Fn(u32) -> bool) -> Acks {
    let ack = first.wrapping_sub(1);
    let bits = (1..32)
        .filter(|bit| first.checked_add(*bit).is_some_and(&came))
        .fold(0, |bits, bit| bits | 1 << bit);
    match (Acks { ack, bits }) {
        Acks::PLAIN => Acks {
            ack: seq::NOTHING,
            bits: 1,
        },
        acks => acks,
    }
}

/// The first number that is not acknowledged with all before it; for `ack` = [`seq::NOTHING`] that is 0.
pub(crate) fn first_missing(acks: Acks) -> u32 {
    acks.ack.wrapping_add(1)
}

/// The same, with the bits that follow on it.
pub(crate) fn first_missing_of_all(acks: Acks) -> u32 {
    first_missing(acks).saturating_add(acks.bits.trailing_ones())
}

/// The numbers whose bits are set. They may lie past every number that exists.
pub(crate) fn bits(acks: Acks) -> impl Iterator<Item = u64> {
    let base = u64::from(first_missing(acks));
    (0..32)
        .filter(move |bit| acks.bits & (1 << bit) != 0)
        .map(move |bit| base + bit)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_and_only_the_first_are_told_without_looking_like_a_plain_peer() {
        let nothing = write(0, |_| false);
        assert_eq!((nothing.ack, nothing.bits), (seq::NOTHING, 0));
        let first = write(1, |_| false);
        assert_eq!((first.ack, first.bits), (seq::NOTHING, 1));
        assert_eq!(bits(first).collect::<Vec<_>>(), [0]);
        let two = write(2, |_| false);
        assert_eq!((two.ack, two.bits), (1, 0));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            first in prop_oneof![0..40u32, Just(seq::END - 3), any::<u32>().prop_map(|at| at % seq::END)],
            early in prop::collection::btree_set(1..60u32, 0..40),
        ) {
            let early: BTreeSet<u32> = early.into_iter().filter_map(|ahead| first.checked_add(ahead)).collect();
            let acks = write(first, |seq| early.contains(&seq));
            prop_assert_ne!(acks, Acks::PLAIN);
            let mut read: BTreeSet<u64> = bits(acks).collect();
            if first_missing(acks) != first {
                prop_assert!(first == 1 && first_missing(acks) == 0 && read.remove(&0));
            }
            let told = early.into_iter().map(u64::from).filter(|seq| *seq < u64::from(first) + 32);
            prop_assert_eq!(read, told.collect::<BTreeSet<u64>>());
        }
    }
}
