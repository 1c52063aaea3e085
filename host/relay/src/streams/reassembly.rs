//! Segments in order, put together to messages.

use bytes::Bytes;

use crate::limits::{MESSAGE_BYTES, MESSAGE_SEGMENTS};
use crate::streams::segment::Segment;
use crate::streams::violation::Violation;

/// The message that is under way, if one is. Its bytes lie in one buffer, whatever the number of segments, and nothing is
/// allocated because a segment says how many there will be.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    message: Vec<u8>,
    /// The segments that came, and that will have come; both 0 between messages.
    came: u32,
    count: u32,
}

impl Reassembly {
    /// Takes the next segment in order; gives the message that it completes.
    pub(crate) fn push(&mut self, segment: Segment) -> Result<Option<Bytes>, Violation> {
        let (index, count) = (segment.index(), segment.count());
        if count > MESSAGE_SEGMENTS {
            return Err(Violation::Segments(count));
        }
        if index != self.came || (self.came > 0 && count != self.count) {
            return Err(Violation::Discontinuous {
                seq: segment.seq(),
                index,
                count,
            });
        }
        if segment.payload().len() > MESSAGE_BYTES - self.message.len() {
            return Err(Violation::MessageBytes);
        }
        if count == 1 {
            return Ok(Some(segment.into_payload()));
        }
        self.message
            .reserve_exact(self.room_for(segment.payload().len(), count));
        self.count = count;
        self.came += 1;
        self.message.extend_from_slice(segment.payload());
        if self.came < count {
            return Ok(None);
        }
        self.came = 0;
        self.message.shrink_to_fit();
        Ok(Some(std::mem::take(&mut self.message).into()))
    }

    /// The memory that it holds, with what its buffer has to grow.
    pub(crate) fn held(&self) -> usize {
        self.message.capacity()
    }

    /// What it will hold beyond that once this segment is in: the buffer doubles when it is full.
    pub(crate) fn growth(&self, segment: &Segment) -> usize {
        let bytes = segment.payload().len();
        let needed = self.message.len() + self.room_for(bytes, segment.count());
        needed.saturating_sub(self.message.capacity())
    }

    /// What is added to the buffer for a segment of so many bytes. A message of a few segments gets its room at once, and is not moved.
    fn room_for(&self, bytes: usize, count: u32) -> usize {
        let (length, capacity) = (self.message.len(), self.message.capacity());
        if length == 0 {
            return bytes * count.min(4) as usize;
        }
        match length + bytes <= capacity {
            true => bytes,
            false => bytes.max(capacity * 2 - length),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::streams::cutter::Cutter;

    fn segment(seq: u32, index: u32, count: u32, payload: &[u8]) -> Segment {
        Segment::new(seq, index, count, Bytes::copy_from_slice(payload)).expect("a segment")
    }

    #[test]
    fn attack_33_a_huge_count_allocates_nothing_and_is_refused() {
        let mut reassembly = Reassembly::default();
        assert_eq!(
            reassembly.push(segment(0, 0, MESSAGE_SEGMENTS, b"x")),
            Ok(None)
        );
        assert!(reassembly.held() < 64, "{}", reassembly.held());
        let mut reassembly = Reassembly::default();
        for count in [MESSAGE_SEGMENTS + 1, u32::MAX] {
            assert_eq!(
                reassembly.push(segment(0, 0, count, b"x")),
                Err(Violation::Segments(count))
            );
        }
        assert_eq!(reassembly.held(), 0);
    }

    #[test]
    fn attack_33_segments_of_two_messages_are_not_mixed() {
        // In the middle without a beginning; a new beginning in the middle; another count in the middle.
        let push = |first: Option<Segment>, second: Segment| {
            let mut reassembly = Reassembly::default();
            if let Some(first) = first {
                assert_eq!(reassembly.push(first), Ok(None));
            }
            reassembly.push(second)
        };
        let first = || Some(segment(0, 0, 3, b"a"));
        for (before, seq, index, count) in [
            (None, 1, 1, 3),
            (first(), 1, 0, 3),
            (first(), 1, 0, 1),
            (first(), 1, 1, 4),
        ] {
            assert_eq!(
                push(before, segment(seq, index, count, b"b")),
                Err(Violation::Discontinuous { seq, index, count })
            );
        }
    }

    #[test]
    fn attack_33_a_message_grows_to_the_limit_and_no_further() {
        let mut reassembly = Reassembly::default();
        let part = vec![0; 16 << 20];
        for index in 0..4 {
            assert_eq!(reassembly.push(segment(index, index, 5, &part)), Ok(None));
        }
        assert_eq!(
            reassembly.push(segment(4, 4, 5, b"x")),
            Err(Violation::MessageBytes)
        );
        assert!(reassembly.held() <= 2 * MESSAGE_BYTES);
    }

    proptest! {
        #[test]
        fn what_was_cut_comes_together_again(
            lengths in prop::collection::vec(1..3 * crate::limits::SEGMENT_BYTES, 1..6),
        ) {
            let mut reassembly = Reassembly::default();
            let mut seq = 0;
            for (number, length) in lengths.into_iter().enumerate() {
                let message: Bytes = (0..length).map(|at| (at % 251 + number) as u8).collect();
                let mut cutter = Cutter::new(message.clone(), false);
                let mut whole = None;
                while let Some((index, part)) = cutter.next() {
                    prop_assert_eq!(&whole, &None);
                    let segment = Segment::new(seq, index, cutter.count(), part).expect("a segment");
                    let held = reassembly.held() + reassembly.growth(&segment);
                    whole = reassembly.push(segment).expect("in order");
                    prop_assert!(reassembly.held() <= held, "growth is foretold");
                    seq += 1;
                }
                prop_assert_eq!(whole, Some(message));
                prop_assert_eq!(reassembly.held(), 0);
            }
        }
    }
}
