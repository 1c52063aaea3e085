//! After the handshake: messages to records, records to messages.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::limits::{RECORD_BYTES, RECORD_PLAINTEXT_BYTES, RECORDS};
use crate::noise::error::NoiseError;
use crate::noise::messages::{LENGTH_BYTES, Messages, length};
use crate::noise::suite::{TAG_BYTES, Transport};

/// Both directions of one encrypted stream. Records go out and come in in order; after the first one that is wrong it does nothing any more.
pub struct Secured {
    transport: Transport,
    messages: Messages,
    failed: bool,
}

impl Secured {
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            messages: Messages::default(),
            failed: false,
        }
    }

    /// The records that carry a message, each to be sent as one message of the stream, in this order and once. All of them must be sent: the next message's
    /// records come after them.
    ///
    /// # Errors
    /// [`NoiseError::Message`] for a message that is empty or too large; the others end the stream.
    pub fn seal(&mut self, message: &[u8]) -> Result<Vec<Bytes>, NoiseError> {
        if self.failed {
            return Err(NoiseError::Failed);
        }
        let length = length(message)?;
        let count = (LENGTH_BYTES + message.len()).div_ceil(RECORD_PLAINTEXT_BYTES);
        if self.transport.sending_nonce() + count as u64 > RECORDS {
            return Err(NoiseError::Exhausted);
        }
        // The first record begins with the length.
        let (first, rest) =
            message.split_at(message.len().min(RECORD_PLAINTEXT_BYTES - LENGTH_BYTES));
        let mut records = Vec::with_capacity(count);
        records.push(self.record(&[&length, first])?);
        for part in rest.chunks(RECORD_PLAINTEXT_BYTES) {
            records.push(self.record(&[part])?);
        }
        Ok(records)
    }

    fn record(&mut self, parts: &[&[u8]]) -> Result<Bytes, NoiseError> {
        let bytes = parts.iter().map(|part| part.len()).sum();
        let mut record = Vec::with_capacity(bytes + TAG_BYTES);
        parts.iter().for_each(|part| record.extend_from_slice(part));
        record.resize(bytes + TAG_BYTES, 0);
        let sealed = self.transport.send_in_place(&mut record, bytes);
        self.failed = sealed.is_err();
        sealed.map_err(|_| NoiseError::Failed)?;
        Ok(record.into())
    }

    /// The next record has come; gives the messages that end in it.
    ///
    /// # Errors
    /// Each ends the stream, and what is under way is lost: what follows a record that is wrong cannot be trusted.
    pub fn open(&mut self, record: impl Into<Bytes>) -> Result<Vec<Bytes>, NoiseError> {
        if self.failed {
            return Err(NoiseError::Failed);
        }
        let opened = self.opened(record.into());
        if opened.is_err() {
            self.failed = true;
            self.messages = Messages::default();
        }
        opened
    }

    fn opened(&mut self, record: Bytes) -> Result<Vec<Bytes>, NoiseError> {
        let bytes = record.len();
        // One without plain text brings nothing forward, so whoever sends them only wants work done.
        if bytes <= TAG_BYTES || bytes > RECORD_BYTES {
            return Err(NoiseError::RecordSize { bytes });
        }
        if self.transport.receiving_nonce() >= RECORDS {
            return Err(NoiseError::Exhausted);
        }
        // In its place, unless somebody else has it, too.
        let mut plain = match record.try_into_mut() {
            Ok(record) => record,
            Err(record) => BytesMut::from(&record[..]),
        };
        let opened = self.transport.receive_in_place(&mut plain, bytes);
        plain.truncate(opened.map_err(|_| NoiseError::Record)?);
        self.messages.push(plain.freeze())
    }

    /// The memory of a message that is under way: it grows with what has come, up to twice the largest message. Who has many streams adds these up.
    pub fn held(&self) -> usize {
        self.messages.held()
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secured")
    }
}
