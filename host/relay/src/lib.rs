//! Remote mode: how executors and harnesses reach each other through a rendezvous, and lose nothing.
//!
//! `streams` is the heart: reliable streams over relay frames, a state machine without I/O. `driver` brings its frames to websockets and its messages to
//! those who want them, and knows nothing of how they are kept. `noise` encrypts what streams carry, from end to end. `registry` asks where to connect to.

#[cfg(feature = "io")]
pub mod driver;
pub mod limits;
pub mod noise;
#[cfg(feature = "io")]
pub mod registry;
mod streams;

pub use streams::{
    Acks, Address, Body, Connection, Ended, Event, Frame, FrameError, Reason, Role, Segment,
    StreamError, StreamId, Violation,
};
