//! Frames: what one binary websocket message carries, from bytes and to bytes.
//!
//! The schema's types can hold anything that protobuf can; a [`Frame`] can only be what the contract allows. What cannot be one is an
//! error here, and nobody behind this module has to ask again.

use bytes::Bytes;
use prost::Message;

use crate::limits;
use crate::streams::error::FrameError;
use crate::streams::schema::{
    self, RelayAck, RelayData, RelayHandshake, RelayHeartbeat, RelayMessageFrame, RelayReset,
    RelayResume, relay_message_frame,
};
use crate::streams::segment::Segment;
use crate::streams::stream_id::StreamId;

/// The only version of the schema there is.
const VERSION: u32 = 1;

/// One frame of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whose it is.
    pub stream: StreamId,
    /// What its sender has received.
    pub acks: Acks,
    /// What it says.
    pub body: Body,
}

/// What the sender of a frame has received, as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acks {
    /// The number up to which nothing is missing.
    pub ack: u32,
    /// Bit i is set if `ack + 1 + i` has come, too.
    pub bits: u32,
}

impl Acks {
    /// What a plain peer has on every frame, whatever it received.
    pub const PLAIN: Self = Self { ack: 0, bits: 0 };
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A segment of a message.
    Data(Segment),
    /// Only what has been received.
    Ack,
    /// The sender has a new physical connection, and everything before `next_seq`.
    Resume {
        /// The first number that is missing.
        next_seq: u32,
    },
    /// The stream is over.
    Reset(Reason),
    /// The sender lives, and wants to know whether its peer does.
    Heartbeat,
    /// A message of the Noise handshake: not empty, at most [`limits::HANDSHAKE_BYTES`].
    Handshake(Bytes),
}

/// Why a stream is over, in words: not empty, at most [`limits::REASON_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// Those words.
    ///
    /// # Errors
    /// [`FrameError::Reason`] for none or too many.
    pub fn new(words: impl Into<String>) -> Result<Self, FrameError> {
        let words = words.into();
        if words.is_empty() || words.len() > limits::REASON_BYTES {
            return Err(FrameError::Reason { bytes: words.len() });
        }
        Ok(Self(words))
    }

    /// Those words, or as many of them as may be; for words of our own, which are never none.
    pub fn shortened(words: &str) -> Self {
        let end = words.floor_char_boundary(limits::REASON_BYTES);
        Self(words[..end].to_owned())
    }

    /// What ends a stream whose handshake or records are not what they have to be. It tells nothing more.
    pub fn secure_relay_protocol_error() -> Self {
        Self("secure_relay_protocol_error".to_owned())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Frame {
    /// Reads a frame. Fields that are not known are passed over. The payload is a part of `bytes`, not a copy.
    ///
    /// # Errors
    /// [`FrameError`] for whatever is no frame of the contract.
    pub fn decode(bytes: Bytes) -> Result<Self, FrameError> {
        if bytes.len() > limits::FRAME_BYTES {
            return Err(FrameError::TooLarge { bytes: bytes.len() });
        }
        let size = bytes.len();
        let read = RelayMessageFrame::decode(bytes)
            .map_err(|error| FrameError::Malformed(error.to_string()))?;
        if read.version != VERSION {
            return Err(FrameError::Version(read.version));
        }
        let body = read.body.ok_or(FrameError::NoBody)?;
        Ok(Self {
            stream: StreamId::new(&read.stream_id)?,
            acks: Acks {
                ack: read.ack,
                bits: read.ack_bits,
            },
            body: Body::read(body, size)?,
        })
    }

    /// The frame as bytes: one binary websocket message.
    pub fn encode(&self) -> Bytes {
        let written = self.written();
        let mut bytes = Vec::with_capacity(written.length());
        written.write(&mut bytes);
        bytes.into()
    }

    /// The frame, ready to be written to where it is sent from.
    pub(crate) fn written(&self) -> Written {
        Written(RelayMessageFrame {
            version: VERSION,
            stream_id: self.stream.as_str().to_owned(),
            ack: self.acks.ack,
            ack_bits: self.acks.bits,
            body: Some(self.body.written()),
        })
    }
}

/// A frame that is about to be written.
pub(crate) struct Written(RelayMessageFrame);

impl Written {
    /// How many bytes it is.
    pub(crate) fn length(&self) -> usize {
        self.0.encoded_len()
    }

    /// Writes it behind what is there.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        // A vector takes everything.
        self.0.encode_raw(to);
    }
}

/// A payload that is a small part of its frame must not keep all of that in memory: nobody would count the rest, which
/// can be anything in unknown fields.
fn kept(payload: Bytes, frame: usize) -> Bytes {
    if frame > payload.len() * 2 + limits::ENTRY_BYTES * 4 {
        Bytes::copy_from_slice(&payload)
    } else {
        payload
    }
}

impl Body {
    fn read(body: relay_message_frame::Body, size: usize) -> Result<Self, FrameError> {
        use schema::relay_message_frame::Body as Read;
        Ok(match body {
            Read::Data(data) => Self::Data(Segment::new(
                data.seq,
                data.segment_index,
                data.segment_count,
                kept(data.payload, size),
            )?),
            Read::AckFrame(RelayAck {}) => Self::Ack,
            Read::Resume(RelayResume { next_seq }) => Self::Resume { next_seq },
            Read::Reset(RelayReset { reason }) => Self::Reset(Reason::new(reason)?),
            Read::Heartbeat(RelayHeartbeat {}) => Self::Heartbeat,
            Read::Handshake(RelayHandshake { payload }) => {
                let bytes = payload.len();
                if !(1..=limits::HANDSHAKE_BYTES).contains(&bytes) {
                    return Err(FrameError::Handshake { bytes });
                }
                Self::Handshake(kept(payload, size))
            }
        })
    }

    fn written(&self) -> relay_message_frame::Body {
        use schema::relay_message_frame::Body as Written;
        match self {
            Self::Data(segment) => Written::Data(RelayData {
                seq: segment.seq(),
                segment_index: segment.index(),
                segment_count: segment.count(),
                payload: segment.payload().clone(),
            }),
            Self::Ack => Written::AckFrame(RelayAck {}),
            Self::Resume { next_seq } => Written::Resume(RelayResume {
                next_seq: *next_seq,
            }),
            Self::Reset(reason) => Written::Reset(RelayReset {
                reason: reason.0.clone(),
            }),
            Self::Heartbeat => Written::Heartbeat(RelayHeartbeat {}),
            Self::Handshake(payload) => Written::Handshake(RelayHandshake {
                payload: payload.clone(),
            }),
        }
    }
}
