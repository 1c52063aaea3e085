//! Remote mode: how executors and harnesses reach each other through a rendezvous, and lose nothing.
//!
//! `streams` is the heart: reliable streams over relay frames, a state machine without I/O. What brings its frames to a socket and its
//! messages to those who want them stands beside it and knows nothing of how they are kept. `noise` encrypts what streams carry, from end to end.

pub mod limits;
pub mod noise;
mod streams;

pub use streams::{
    Acks, Body, Connection, Ended, Event, Frame, FrameError, Reason, Role, Segment, StreamError,
    StreamId, Violation,
};
