//! The name of a stream, by which a rendezvous routes.

use std::fmt;
use std::sync::Arc;

use crate::limits;
use crate::streams::error::FrameError;

/// Names one stream: not empty, no space around it, at most [`limits::STREAM_ID_BYTES`] long. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// The stream of that name.
    ///
    /// # Errors
    /// [`FrameError::StreamId`] for a name that no stream can have.
    pub fn new(name: &str) -> Result<Self, FrameError> {
        if name.is_empty() || name.trim() != name || name.len() > limits::STREAM_ID_BYTES {
            return Err(FrameError::StreamId { bytes: name.len() });
        }
        Ok(Self(name.into()))
    }

    /// A name that no other stream has.
    pub fn fresh() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }

    /// The name as it is on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.0)
    }
}
