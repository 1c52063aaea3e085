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
    pub(crate) fn push(&mut self, mut plain: &[u8]) -> Result<Vec<Bytes>, NoiseError> {
        let mut messages = Vec::new();
        while !plain.is_empty() {
            let missing = LENGTH_BYTES - self.came;
            if missing > 0 {
                let (part, rest) = plain.split_at(missing.min(plain.len()));
                self.length[self.came..self.came + part.len()].copy_from_slice(part);
                self.came += part.len();
                plain = rest;
                if self.came < LENGTH_BYTES {
                    break;
                }
            }
            let bytes = u32::from_be_bytes(self.length) as usize;
            if !(1..=MESSAGE_BYTES).contains(&bytes) {
                return Err(NoiseError::Message { bytes });
            }
            let (part, rest) = plain.split_at((bytes - self.message.len()).min(plain.len()));
            self.message.extend_from_slice(part);
            plain = rest;
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
            let (first, second) = plain.split_at(cut);
            let mut read = messages.push(first).expect("messages");
            read.extend(messages.push(second).expect("messages"));
            assert_eq!(read, ["a", "bcd", "ef"], "cut at {cut}");
            assert_eq!(messages.held(), 0);
        }
    }

    #[test]
    fn attack_33_a_claimed_length_allocates_nothing_before_its_bytes_came() {
        let mut messages = Messages::default();
        let length = (MESSAGE_BYTES as u32).to_be_bytes();
        assert_eq!(messages.push(&length), Ok(vec![]));
        assert_eq!(messages.push(b"x"), Ok(vec![]));
        assert!(messages.held() < 64, "{}", messages.held());
        for bytes in [0, MESSAGE_BYTES as u32 + 1, u32::MAX] {
            let mut messages = Messages::default();
            let refused = Err(NoiseError::Message {
                bytes: bytes as usize,
            });
            assert_eq!(messages.push(&bytes.to_be_bytes()), refused);
            assert_eq!(messages.held(), 0);
        }
    }
}
