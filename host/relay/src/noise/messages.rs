//! Messages in the plain text of records: 4 bytes of length, then the message, wherever records end.

use bytes::Bytes;

use crate::limits::MESSAGE_BYTES;
use crate::noise::error::NoiseError;

/// Bytes of the length before a message.
pub(crate) const LENGTH_BYTES: usize = 4;

/// The length as it is before a message.
pub(crate) fn length(message: &[u8]) -> Result<[u8; LENGTH_BYTES], NoiseError> {
    let bytes = message.len();
    match u32::try_from(bytes) {
        Ok(length) if (1..=MESSAGE_BYTES).contains(&bytes) => Ok(length.to_be_bytes()),
        _ => Err(NoiseError::Message { bytes }),
    }
}

/// The message that is under way. Nothing is allocated because a length says so: the buffer grows with what has come.
#[derive(Default)]
pub(crate) struct Messages {
    length: [u8; LENGTH_BYTES],
    /// How many bytes of the length have come.
    came: usize,
    message: Vec<u8>,
}

impl Messages {
    /// Takes the next bytes; gives the messages that end in them.
    pub(crate) fn push(&mut self, mut plain: Bytes) -> Result<Vec<Bytes>, NoiseError> {
        let record = plain.len();
        let mut messages = Vec::new();
        while !plain.is_empty() {
            let missing = (LENGTH_BYTES - self.came).min(plain.len());
            let part = plain.split_to(missing);
            self.length[self.came..self.came + missing].copy_from_slice(&part);
            self.came += missing;
            if self.came < LENGTH_BYTES {
                break;
            }
            let bytes = u32::from_be_bytes(self.length) as usize;
            if !(1..=MESSAGE_BYTES).contains(&bytes) {
                return Err(NoiseError::Message { bytes });
            }
            let part = plain.split_to((bytes - self.message.len()).min(plain.len()));
            if part.len() == bytes && bytes * 2 > record {
                // All of it is here, and most of what is here: no copy.
                self.came = 0;
                messages.push(part);
                continue;
            }
            if self.message.is_empty() {
                // Of two records, most of the time: its room at once.
                self.message.reserve_exact(bytes.min(2 * part.len()));
            }
            self.message.extend_from_slice(&part);
            if self.message.len() == bytes {
                self.came = 0;
                self.message.shrink_to_fit();
                messages.push(std::mem::take(&mut self.message).into());
            }
        }
        Ok(messages)
    }

    /// The memory of what is under way.
    pub(crate) fn held(&self) -> usize {
        self.message.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_wherever_the_bytes_are_cut() {
        let plain = [
            &[0, 0, 0, 1, b'a', 0, 0, 0, 3][..],
            b"bcd",
            &[0, 0, 0, 2],
            b"ef",
        ]
        .concat();
        for cut in 0..plain.len() {
            let mut messages = Messages::default();
            let mut second = Bytes::from(plain.clone());
            let first = second.split_to(cut);
            let mut read = messages.push(first).expect("messages");
            read.extend(messages.push(second).expect("messages"));
            assert_eq!(read, ["a", "bcd", "ef"], "cut at {cut}");
            assert_eq!(messages.held(), 0);
        }
    }

    #[test]
    fn attack_33_a_claimed_length_allocates_nothing_before_its_bytes_came() {
        let mut messages = Messages::default();
        let bytes = |length: u32| Bytes::copy_from_slice(&length.to_be_bytes());
        assert_eq!(messages.push(bytes(MESSAGE_BYTES as u32)), Ok(vec![]));
        assert_eq!(messages.push("x".into()), Ok(vec![]));
        assert!(messages.held() < 64, "{}", messages.held());
        for length in [0, MESSAGE_BYTES as u32 + 1, u32::MAX] {
            let mut messages = Messages::default();
            let refused = Err(NoiseError::Message {
                bytes: length as usize,
            });
            assert_eq!(messages.push(bytes(length)), refused);
            assert_eq!(messages.held(), 0);
        }
    }
}
