//! A message, cut into segments.

use bytes::Bytes;

use crate::limits::SEGMENT_BYTES;

/// A message on its way out, of which the next part is asked for when there is room for it.
#[derive(Debug)]
pub(crate) struct Cutter {
    rest: Bytes,
    index: u32,
    count: u32,
}

impl Cutter {
    /// Cuts a message that is not empty; `whole`: into one segment whatever its size, for who may not know segments.
    pub(crate) fn new(message: Bytes, whole: bool) -> Self {
        let count = if whole {
            1
        } else {
            u32::try_from(message.len().div_ceil(SEGMENT_BYTES)).unwrap_or(u32::MAX)
        };
        Self {
            rest: message,
            index: 0,
            count,
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The next part with its index, until all are out.
    pub(crate) fn next(&mut self) -> Option<(u32, Bytes)> {
        if self.index == self.count {
            return None;
        }
        let index = self.index;
        self.index += 1;
        let length = if self.index == self.count {
            self.rest.len()
        } else {
            SEGMENT_BYTES.min(self.rest.len())
        };
        Some((index, self.rest.split_to(length)))
    }

    /// Whether all parts are out.
    pub(crate) fn is_done(&self) -> bool {
        self.index == self.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(message: &Bytes, whole: bool) -> Vec<Bytes> {
        let mut cutter = Cutter::new(message.clone(), whole);
        let mut parts = Vec::new();
        while let Some((index, part)) = cutter.next() {
            assert_eq!(index as usize, parts.len());
            parts.push(part);
        }
        assert_eq!(parts.len(), cutter.count() as usize);
        assert!(cutter.is_done());
        parts
    }

    #[test]
    fn a_message_of_exactly_some_segments_has_no_empty_one() {
        for count in 1..4 {
            let message = Bytes::from(vec![7; count * SEGMENT_BYTES]);
            assert_eq!(parts(&message, false).len(), count);
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_message(length in 1..5 * SEGMENT_BYTES, whole: bool) {
            let message: Bytes = (0..length).map(|at| (at % 251) as u8).collect();
            let parts = parts(&message, whole);
            prop_assert_eq!(parts.concat(), &message[..]);
            prop_assert!(parts.iter().all(|part| !part.is_empty()));
            prop_assert!(whole || parts.iter().all(|part| part.len() <= SEGMENT_BYTES));
        }
    }
}
