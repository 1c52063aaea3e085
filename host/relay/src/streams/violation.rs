//! What a peer of the contract must not do, and ends its stream.

use thiserror::Error;

use crate::limits;

/// How a peer broke the contract. The words go to the peer, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// It acknowledges a number that was not sent.
    #[error("acknowledgement of {ack}, but only numbers below {next} were sent")]
    AckOfUnsent {
        /// What it acknowledges.
        ack: u32,
        /// The first number that was not sent.
        next: u32,
    },
    /// It resumes at a number that was not sent.
    #[error("resume at {next_seq}, but only numbers below {next} were sent")]
    ResumeOfUnsent {
        /// Where it resumes.
        next_seq: u32,
        /// The first number that was not sent.
        next: u32,
    },
    /// A message with more segments than any may have.
    #[error("a message of {0} segments; at most {most} are taken", most = limits::MESSAGE_SEGMENTS)]
    Segments(u32),
    /// A message with more bytes than any may have.
    #[error("a message of more than {} bytes", limits::MESSAGE_BYTES)]
    MessageBytes,
    /// The number that no segment has.
    #[error("a segment with the number {}, which none has", u32::MAX)]
    LastNumber,
    /// A second handshake that is not the first one again, or one on a stream that began without.
    #[error("a handshake on a stream that has had one, or began without")]
    SecondHandshake,
    /// A segment that does not continue the message before it.
    #[error(
        "segment {index} of {count} with the number {seq} does not continue the message that is under way"
    )]
    Discontinuous {
        /// Its number.
        seq: u32,
        /// Its place.
        index: u32,
        /// The segments of its message.
        count: u32,
    },
}
