//! End-to-end encryption between harness and executor: a rendezvous sees only ciphertext. No I/O here, as in `streams`.
//!
//! Theory of operation. Noise, pattern IK, with X25519 and ML-KEM-768 side by side, so that what is recorded today is not read by a quantum
//! computer later. The harness knows the executor's [`PublicKeys`] from the registry and begins ([`Initiator`]); its first message proves who it is and carries what
//! the registry gave it to be let in. The executor reads that ([`Responder`]), asks the registry, and answers only then. Both messages are handshake frames;
//! after them each side has a [`Secured`], which makes records out of messages and messages out of records. Each record is one message of the stream
//! beneath, which brings them in order and once, as the cipher needs it: a record that is missing, altered or doubled ends it.
//! Measured with the reference, 0.169.0, as executor and as harness: both sides take each other's handshakes and records, which are cut at the same places.
//! The [`Prologue`] binds all of it to one environment, one registration and one stream, so what was recorded elsewhere is worth nothing here.

mod cipher;
mod entropy;
mod error;
mod handshake;
mod keys;
mod messages;
mod prologue;
mod secured;
mod suite;

pub use error::NoiseError;
pub use handshake::{Initiator, Responder};
pub use keys::{Identity, PublicKeys};
pub use prologue::Prologue;
pub use secured::Secured;
pub use suite::SUITE;
