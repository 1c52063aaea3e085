//! What a connection has to tell.

use bytes::Bytes;

use crate::streams::ended::Ended;
use crate::streams::stream_id::StreamId;

/// What happened on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer opened it.
    Opened(StreamId),
    /// The peer's handshake came, which is no message; once at most. What comes as messages before this side has finished its handshake is to be left unread.
    Handshake {
        /// On which stream.
        stream: StreamId,
        /// What was in it.
        payload: Bytes,
    },
    /// A message came where none waited; read until none is left.
    Readable(StreamId),
    /// There is room again, after `send` had to refuse.
    Writable(StreamId),
    /// It is over. Its name is free for nothing else.
    Closed {
        /// Which one.
        stream: StreamId,
        /// Why.
        why: Ended,
        /// The messages that came and were not read.
        unread: Vec<Bytes>,
    },
}
