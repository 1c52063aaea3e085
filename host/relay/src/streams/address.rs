//! What a rendezvous reads of a frame.

use bytes::Buf;
use prost::Message;

use crate::limits;
use crate::streams::error::FrameError;
use crate::streams::frame::Acks;
use crate::streams::stream_id::StreamId;

/// The head of a frame: whose it is, and whether its sender acknowledges. The rest is between the two ends, and may be of a later
/// version than this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The stream.
    pub stream: StreamId,
    /// [`Acks::PLAIN`] on every frame of a peer that cannot resume.
    pub acks: Acks,
    /// It begins a stream, or goes on with it on a new connection: a message, a resume or a handshake.
    pub begins: bool,
    /// It is a reset: nothing follows it.
    pub is_reset: bool,
}

/// The members of the schema that this needs; others are passed over.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(string, tag = "2")]
    stream_id: String,
    #[prost(uint32, tag = "3")]
    ack: u32,
    #[prost(uint32, tag = "4")]
    ack_bits: u32,
    #[prost(message, optional, tag = "5")]
    data: Option<Nothing>,
    #[prost(message, optional, tag = "7")]
    resume: Option<Nothing>,
    #[prost(message, optional, tag = "10")]
    handshake: Option<Nothing>,
    #[prost(message, optional, tag = "8")]
    reset: Option<Nothing>,
}

/// A message of which nothing is read.
#[derive(Clone, PartialEq, Message)]
struct Nothing {}

impl Address {
    /// Reads it.
    ///
    /// # Errors
    /// [`FrameError`] for what is no frame, or has no stream.
    pub fn read(frame: &[u8]) -> Result<Self, FrameError> {
        if frame.remaining() > limits::FRAME_BYTES {
            return Err(FrameError::TooLarge { bytes: frame.len() });
        }
        let head = Head::decode(frame).map_err(|error| FrameError::Malformed(error.to_string()))?;
        Ok(Self {
            stream: StreamId::new(&head.stream_id)?,
            acks: Acks {
                ack: head.ack,
                bits: head.ack_bits,
            },
            begins: head.data.is_some() || head.resume.is_some() || head.handshake.is_some(),
            is_reset: head.reset.is_some(),
        })
    }
}
