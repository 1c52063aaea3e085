//! Messages over a stream, encrypted from end to end or as they are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::RelayStream;
use crate::noise::{NoiseError, Secured};
use crate::{Ended, Reason, StreamError};

/// One stream for messages. One task may read while another one writes.
#[derive(Debug)]
pub struct Channel {
    stream: Arc<RelayStream>,
    crypt: Option<Mutex<Crypt>>,
}

struct Crypt {
    secured: Secured,
    /// Messages that a record completed.
    inbox: VecDeque<Bytes>,
    /// Records of messages that were sent, for which the stream had no room yet.
    outbox: VecDeque<Bytes>,
}

impl std::fmt::Debug for Crypt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Crypt")
    }
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The stream does not take it.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It cannot be encrypted.
    #[error(transparent)]
    Noise(#[from] NoiseError),
}

impl Channel {
    /// Messages go as they are, and the rendezvous can read them.
    pub fn plain(stream: impl Into<Arc<RelayStream>>) -> Channel {
        Channel {
            stream: stream.into(),
            crypt: None,
        }
    }

    /// Messages are encrypted, after the handshake on this stream.
    pub fn secured(stream: impl Into<Arc<RelayStream>>, secured: Secured) -> Channel {
        let crypt = Crypt {
            secured,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
        };
        Channel {
            stream: stream.into(),
            crypt: Some(Mutex::new(crypt)),
        }
    }

    /// The next message; how the stream ended, when there will be none.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Ended>> {
        let Some(crypt) = &self.crypt else {
            return self.stream.poll_recv(cx);
        };
        let mut crypt = lock(crypt);
        loop {
            if let Some(message) = crypt.inbox.pop_front() {
                return Poll::Ready(Ok(message));
            }
            let record = match ready!(self.stream.poll_recv(cx)) {
                Ok(record) => record,
                Err(ended) => return Poll::Ready(Err(ended)),
            };
            match crypt.secured.open(record) {
                Ok(messages) => crypt.inbox.extend(messages),
                Err(error) => {
                    tracing::warn!(%error, "an encrypted stream is ended");
                    self.stream.reset(Reason::secure_relay_protocol_error());
                    return Poll::Ready(Err(Ended::Insecure));
                }
            }
        }
    }

    /// Whether a message may be sent.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        match self.poll_flush(cx) {
            Poll::Ready(Ok(())) => self.stream.poll_ready(cx),
            other => other,
        }
    }

    /// Hands over what waits for room in the stream.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        if let Some(crypt) = &self.crypt {
            let mut crypt = lock(crypt);
            while !crypt.outbox.is_empty() {
                match ready!(self.stream.poll_ready(cx)) {
                    Ok(()) => {}
                    Err(ended) => return Poll::Ready(Err(ended)),
                }
                if let Some(record) = crypt.outbox.pop_front()
                    && self.stream.send(record).is_err()
                {
                    return Poll::Ready(Err(Ended::Here));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends a message. Only after [`Self::poll_ready`] said so, and [`Self::poll_flush`] hands over what the stream has no room for now.
    ///
    /// # Errors
    /// [`SendError`], and then nothing of it is sent.
    pub fn send(&self, message: Bytes) -> Result<(), SendError> {
        let Some(crypt) = &self.crypt else {
            return Ok(self.stream.send(message)?);
        };
        let mut crypt = lock(crypt);
        let records = crypt.secured.seal(&message)?;
        crypt.outbox.extend(records);
        while let Some(record) = crypt.outbox.pop_front() {
            match self.stream.send(record.clone()) {
                Ok(()) => {}
                Err(StreamError::Full(_)) => {
                    crypt.outbox.push_front(record);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The stream below.
    pub fn stream(&self) -> &RelayStream {
        &self.stream
    }
}

fn lock(crypt: &Mutex<Crypt>) -> MutexGuard<'_, Crypt> {
    crypt.lock().unwrap_or_else(PoisonError::into_inner)
}
