//! What goes wrong with keys, handshakes and records.

use thiserror::Error;

use crate::limits;
use crate::noise::suite::SUITE;

/// Why there is no key, no handshake, or no record. Whatever it is, the stream is to be reset with [`crate::Reason::secure_relay_protocol_error`], and
/// nothing of it is told to the peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// Keys of another suite.
    #[error("keys of a suite that is not known; only {SUITE} is")]
    Suite,
    /// A key that is not base64, or not of its length.
    #[error("the member {member} is not {bytes} bytes in base64")]
    Key {
        /// Its name.
        member: &'static str,
        /// How long such a key is.
        bytes: usize,
    },
    /// A key of the right length that nobody can have (FIPS 203, 7.2).
    #[error("an ML-KEM-768 key with a number above its modulus; nobody made that key")]
    Modulus,
    /// An authorization that is none.
    #[error(
        "an authorization of {bytes} bytes; it is text of 1 to {} bytes",
        limits::AUTHORIZATION_BYTES
    )]
    Authorization {
        /// Its length.
        bytes: usize,
    },
    /// A handshake message of a length that it cannot have.
    #[error("a handshake message of {bytes} bytes, which it cannot have")]
    HandshakeSize {
        /// Its length.
        bytes: usize,
    },
    /// A handshake message that was not made for this stream with these keys.
    #[error("a handshake message that was not made for this stream and these keys")]
    Handshake,
    /// A message that does not fit in a frame of the plain text.
    #[error("a message of {bytes} bytes; it has 1 to {}", limits::MESSAGE_BYTES)]
    Message {
        /// Its length, or the length that was claimed.
        bytes: usize,
    },
    /// A record of a length that none has.
    #[error("a record of {bytes} bytes; it has 17 to {}", limits::RECORD_BYTES)]
    RecordSize {
        /// Its length.
        bytes: usize,
    },
    /// A record that is not the next one of the peer's.
    #[error(
        "a record that is not the one that comes next: altered, missing, doubled, or not of this peer"
    )]
    Record,
    /// As many records as one key is used for.
    #[error(
        "{} records were made or read, as many as one key is used for; open a new stream",
        limits::RECORDS
    )]
    Exhausted,
    /// Something went wrong before, so nothing after it can be trusted.
    #[error("the encryption of this stream has failed before; open a new stream")]
    Failed,
}
