//! Reliable streams over relay frames, as a state machine without I/O: no sockets, no clock, no runtime.
//!
//! Theory of operation. [`Frame`] is what one binary websocket message carries. A [`Connection`] holds many streams over one physical connection after
//! another. A stream carries messages in order in both directions: they are cut into segments with consecutive numbers, which are sent again until the
//! peer's frames acknowledge them, and put together again over there. When the physical connection is lost the streams wait; on the next
//! one each side says with a resume what it misses. The contract is one that the reference declares and does not implement: a peer that does
//! as little is recognized by its first frame and gets what it understands (see `peer.rs`). Files to read: `connection.rs`, `stream.rs`, then the
//! two sides, `sending.rs` and `receiving.rs`.

mod ack_bits;
mod address;
mod connection;
mod cutter;
mod ended;
mod error;
mod event;
mod frame;
mod handshake;
mod peer;
mod reassembly;
mod receiving;
mod rtt;
mod schedule;
#[allow(clippy::pedantic)]
mod schema;
mod seen;
mod segment;
mod sending;
mod seq;
mod stream;
mod stream_id;
mod violation;

pub use address::Address;
pub use connection::{Connection, Role};
pub use ended::Ended;
pub use error::{FrameError, StreamError};
pub use event::Event;
pub use frame::{Acks, Body, Frame, Reason};
pub use segment::Segment;
pub use stream_id::StreamId;
pub use violation::Violation;
