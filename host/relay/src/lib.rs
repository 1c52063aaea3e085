//! Reliable streams over relay frames, as a state machine without I/O: no sockets, no clock, no runtime.
//!
//! [`Frame`] is what one binary websocket message carries. The contract is PROTOCOL 8.2: segments, acknowledgements, resending, resume.

mod error;
mod frame;
pub mod limits;
#[allow(clippy::pedantic)]
mod schema;
mod segment;
mod stream_id;

pub use error::FrameError;
pub use frame::{Acks, Body, Frame, Reason};
pub use segment::Segment;
pub use stream_id::StreamId;
