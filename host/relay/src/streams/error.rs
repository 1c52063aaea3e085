//! What goes wrong with frames and streams.

use thiserror::Error;

use crate::limits;
use crate::streams::stream_id::StreamId;

/// Why bytes are no frame. Such a frame is dropped; the connection and its other streams go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Larger than any frame may be.
    #[error("a frame of {bytes} bytes; at most {} are read", limits::FRAME_BYTES)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not the protobuf message that a frame is.
    #[error("no relay frame: {0}")]
    Malformed(String),
    /// Another version of the schema.
    #[error("a frame of version {0}; only version 1 is understood")]
    Version(u32),
    /// No stream can have that name.
    #[error(
        "a stream's name of {bytes} bytes; expected 1 to {} bytes with no space around them",
        limits::STREAM_ID_BYTES
    )]
    StreamId {
        /// The length of the name.
        bytes: usize,
    },
    /// A frame that says nothing, or something that this version does not know.
    #[error("a frame without a body that is understood")]
    NoBody,
    /// A segment that is not in its message.
    #[error("segment {index} of a message of {count}; the index must be below the count")]
    SegmentIndex {
        /// Its place.
        index: u32,
        /// The message's segments.
        count: u32,
    },
    /// A message that would begin before number 0.
    #[error(
        "segment {index} of its message with the number {seq}; the message would begin before 0"
    )]
    SegmentStart {
        /// The segment's number.
        seq: u32,
        /// Its place.
        index: u32,
    },
    /// A message that would end past the last number.
    #[error(
        "a message of {count} segments that begins at {start}; it would end past the last number"
    )]
    SegmentEnd {
        /// The number of its first segment.
        start: u32,
        /// Its segments.
        count: u32,
    },
    /// A segment with nothing in it.
    #[error("a segment without a payload")]
    EmptyPayload,
    /// A handshake with nothing in it, or more than any has.
    #[error(
        "a handshake of {bytes} bytes; expected 1 to {}",
        limits::HANDSHAKE_BYTES
    )]
    Handshake {
        /// The length of its payload.
        bytes: usize,
    },
    /// A reset that does not say why, or at too great length.
    #[error(
        "a reset with a reason of {bytes} bytes; expected 1 to {}",
        limits::REASON_BYTES
    )]
    Reason {
        /// The length of the reason.
        bytes: usize,
    },
}

/// Why a stream does not do what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// There is no such stream, or it is over.
    #[error("stream {0} is not open")]
    NotOpen(StreamId),
    /// A stream of that name is or was there.
    #[error("stream {0} was opened before; every stream has a new name")]
    NameTaken(StreamId),
    /// As many streams as a connection may have.
    #[error(
        "{} streams are open, as many as a connection may have",
        limits::STREAMS
    )]
    TooMany,
    /// A message with nothing in it cannot be sent.
    #[error("an empty message; a segment has at least one byte")]
    EmptyMessage,
    /// A message above the limit.
    #[error(
        "a message of {bytes} bytes; at most {} can be sent",
        limits::MESSAGE_BYTES
    )]
    MessageTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A handshake with nothing in it, or more than any has.
    #[error(
        "a handshake of {bytes} bytes; 1 to {} can be sent",
        limits::HANDSHAKE_BYTES
    )]
    HandshakeSize {
        /// Its size.
        bytes: usize,
    },
    /// Each side has one handshake on a stream, before its messages.
    #[error("stream {0} has had its handshake, or a message before it")]
    HandshakeLate(StreamId),
    /// Too much waits to be sent already; there will be [`crate::Event::Writable`].
    #[error("too much waits to be sent on stream {0}; wait until it is writable")]
    Full(StreamId),
    /// Nothing can be sent after `finish`.
    #[error("stream {0} is finishing; nothing more can be sent on it")]
    Finishing(StreamId),
}
