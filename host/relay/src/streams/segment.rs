//! One segment of a message, as it travels.

use std::fmt;

use bytes::Bytes;

use crate::streams::error::FrameError;

/// One segment of a message. A message of n segments has n consecutive numbers, the first of them `seq - index`.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment {
    seq: u32,
    index: u32,
    count: u32,
    payload: Bytes,
}

impl Segment {
    /// The segment `index` of `count`, with the number `seq` of its stream and direction.
    ///
    /// # Errors
    /// Where no message can have such a segment: no segments, an index past the last one, a beginning before the stream's or
    /// an end past the last number, nothing in it.
    pub fn new(seq: u32, index: u32, count: u32, payload: Bytes) -> Result<Self, FrameError> {
        if count == 0 || index >= count {
            return Err(FrameError::SegmentIndex { index, count });
        }
        let Some(start) = seq.checked_sub(index) else {
            return Err(FrameError::SegmentStart { seq, index });
        };
        if start.checked_add(count - 1).is_none() {
            return Err(FrameError::SegmentEnd { start, count });
        }
        if payload.is_empty() {
            return Err(FrameError::EmptyPayload);
        }
        Ok(Self {
            seq,
            index,
            count,
            payload,
        })
    }

    /// Its number in its stream and direction.
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// Its place in its message, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How many segments its message has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The number of its message's first segment.
    pub fn start(&self) -> u32 {
        self.seq - self.index
    }

    /// The bytes in it.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The bytes in it, for who needs nothing else.
    pub fn into_payload(self) -> Bytes {
        self.payload
    }
}

/// Without the payload, which is nobody's business but the endpoints'.
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Segment({}: {}/{}, {} bytes)",
            self.seq,
            self.index,
            self.count,
            self.payload.len()
        )
    }
}
