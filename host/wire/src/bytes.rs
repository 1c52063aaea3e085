//! `process/output` with what was written as it is, and not as base64 in JSON, for connections that carry messages of any bytes. Base64 is a third more to
//! encrypt and to carry, and each end looks at all of it several times.
//!
//! It is a 0, the length of the notification without its `chunk`, that, and then the bytes, to the end of the message. No JSON begins with a 0, so the two
//! are told apart. Servers send it where both ends have said that they know it ([`crate::environment::LockgateCapabilities::output_bytes`], then
//! [`crate::lifecycle::Understands::output_bytes`]).

use crate::process::{OutputHead, ProcessId, Stream};
use crate::{Malformed, notification, notify};

/// What a message with bytes begins with.
const MARK: u8 = 0;

/// Bytes before the notification: the mark, and its length, 4 bytes, big-endian.
const BEFORE: usize = 5;

/// A `process/output` notification with bytes.
pub fn output_bytes(process_id: &str, seq: u64, stream: Stream, data: &[u8]) -> Vec<u8> {
    let head = notification(
        notify::PROCESS_OUTPUT,
        &OutputHead {
            process_id: ProcessId::from(process_id),
            seq,
            stream,
        },
    );
    let mut message = Vec::with_capacity(BEFORE + head.len() + data.len());
    message.push(MARK);
    message.extend_from_slice(&(head.len() as u32).to_be_bytes());
    message.extend_from_slice(head.as_bytes());
    message.extend_from_slice(data);
    message
}

/// Whether a message is one with bytes, and no text.
pub fn has_bytes(message: &[u8]) -> bool {
    message.first() == Some(&MARK)
}

/// The notification in a message with bytes, without these, and where they begin.
///
/// # Errors
/// [`Malformed`] where that is not all there.
pub fn split_bytes(message: &[u8]) -> Result<(&str, usize), Malformed> {
    let cut = Malformed::Shape("what comes before its bytes is cut off");
    let split = message
        .strip_prefix(&[MARK])
        .and_then(|rest| rest.split_first_chunk::<4>())
        .and_then(|(length, rest)| rest.get(..u32::from_be_bytes(*length) as usize));
    let head = split.ok_or(cut)?;
    Ok((std::str::from_utf8(head)?, BEFORE + head.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Incoming, decode_params};

    #[test]
    fn what_was_written_comes_as_it_was() {
        let data: Vec<u8> = (0..=255).collect();
        for data in [&data[..], b"", b"\0"] {
            let message = output_bytes("p\"1\n", 7, Stream::Stderr, data);
            assert!(has_bytes(&message));
            let (head, at) = split_bytes(&message).expect("whole");
            let Ok(Incoming::Notification(note)) = Incoming::parse(head) else {
                panic!("a notification: {head}");
            };
            assert_eq!(note.method, notify::PROCESS_OUTPUT);
            let output: OutputHead = decode_params(note.params).expect("its params");
            assert_eq!(output.process_id.as_str(), "p\"1\n");
            assert_eq!((output.seq, output.stream), (7, Stream::Stderr));
            assert_eq!(&message[at..], data);
        }
    }

    #[test]
    fn what_is_cut_off_is_malformed_and_texts_are_no_bytes() {
        let message = output_bytes("p", 1, Stream::Stdout, b"x");
        let (_, at) = split_bytes(&message).expect("whole");
        for length in 0..at {
            let cut = split_bytes(&message[..length]);
            assert!(matches!(cut, Err(Malformed::Shape(_))), "{length}: {cut:?}");
        }
        let mut garbled = message;
        garbled[BEFORE] = 0xff;
        assert!(matches!(split_bytes(&garbled), Err(Malformed::NotUtf8(_))));
        for text in ["", "{}", "0", " {}"] {
            assert!(!has_bytes(text.as_bytes()), "{text}");
        }
    }
}
