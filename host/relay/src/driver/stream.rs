//! One stream, for those who read and write it.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::Streams;
use crate::{Ended, Reason, StreamError, StreamId};

/// Messages in order, both ways. Dropping it ends the stream: what was sent still arrives, as long as the other end lives.
pub struct RelayStream {
    id: StreamId,
    streams: Streams,
}

impl RelayStream {
    pub(super) fn new(id: StreamId, streams: Streams) -> RelayStream {
        RelayStream { id, streams }
    }

    /// Its name.
    pub fn id(&self) -> &StreamId {
        &self.id
    }

    /// The next message; how the stream ended, when there will be none. For one task at a time.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Ended>> {
        self.streams.lock().poll_recv(&self.id, cx)
    }

    /// The same as a future.
    ///
    /// # Errors
    /// How the stream ended.
    pub async fn recv(&self) -> Result<Bytes, Ended> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Whether a message may be sent. For one task at a time, which may be another one than that of [`Self::poll_recv`].
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        self.streams.lock().poll_ready(&self.id, cx)
    }

    /// Sends a message. Only after [`Self::poll_ready`] said so.
    ///
    /// # Errors
    /// [`StreamError`], and then nothing of it is sent.
    pub fn send(&self, message: Bytes) -> Result<(), StreamError> {
        let mut table = self.streams.lock();
        table.connection.send(&self.id, message)?;
        table.changed();
        Ok(())
    }

    /// Asks the peer for a sign of life, sooner than that is done anyway.
    pub fn ask(&self) {
        let mut table = self.streams.lock();
        // One that has ended has no peer.
        if table.connection.ask(&self.id).is_ok() {
            table.changed();
        }
    }

    /// How much was heard of the peer so far: more than before [`Self::ask`] is an answer. None where the peer is of a kind that answers no such question.
    pub fn heard(&self) -> Option<u64> {
        self.streams
            .lock()
            .connection
            .heard(&self.id)
            .ok()
            .flatten()
    }

    /// Whether it has ended: nothing can be sent, and what can be read has come.
    pub fn is_over(&self) -> bool {
        self.streams.lock().is_over(&self.id)
    }

    /// The peer's handshake, if it has come. It comes before everything else, so a stream that was opened with a message has none.
    pub fn take_handshake(&self) -> Option<Bytes> {
        self.streams.lock().take_handshake(&self.id)
    }

    /// Waits for the peer's handshake.
    ///
    /// # Errors
    /// How the stream ended before.
    pub async fn handshake(&self) -> Result<Bytes, Ended> {
        poll_fn(|cx| self.streams.lock().poll_handshake(&self.id, cx)).await
    }

    /// Sends a handshake, before any message.
    ///
    /// # Errors
    /// [`StreamError`], and then nothing is sent.
    pub fn send_handshake(&self, payload: Bytes) -> Result<(), StreamError> {
        let mut table = self.streams.lock();
        table.connection.send_handshake(&self.id, payload)?;
        table.changed();
        Ok(())
    }

    /// Ends the stream once everything that was sent has arrived.
    pub fn finish(&self) {
        let mut table = self.streams.lock();
        if table.connection.finish(&self.id).is_ok() {
            table.changed();
        }
    }

    /// Ends the stream now, with a reason for the peer. What is still on its way may be lost.
    pub fn reset(&self, reason: Reason) {
        let mut table = self.streams.lock();
        // One that has ended needs no end.
        if table.connection.reset(&self.id, reason).is_ok() {
            table.changed();
        }
    }
}

impl Drop for RelayStream {
    fn drop(&mut self) {
        self.streams.lock().forget(&self.id);
        self.finish();
    }
}

impl fmt::Debug for RelayStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayStream({})", self.id)
    }
}
