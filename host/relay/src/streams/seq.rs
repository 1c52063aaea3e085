//! Numbers of segments.
//!
//! A side of a stream counts its segments from 0 and never wraps: the stream is reset before the last number is used up, so numbers
//! compare like numbers. "Nothing came yet" is the number before the first, which in 32 bits is the last one; therefore no segment has it.

/// The acknowledgement of who has received nothing: the number before 0.
pub(crate) const NOTHING: u32 = u32::MAX;

/// One past the last number that a segment may have.
pub(crate) const END: u32 = NOTHING;
