//! Frames: what one binary websocket message carries, from bytes and to bytes.
//!
//! The schema's types can hold anything that protobuf can; a [`Frame`] can only be what the contract allows. What cannot be one is an
//! error here, and nobody behind this module has to ask again.

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

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

/// The numbers of the members that hold a segment and its payload.
const DATA: u32 = 5;
const PAYLOAD: u32 = 4;

/// Bytes of what is between the members of a frame and a payload, at most.
const DATA_HEAD_BYTES: usize = 32;

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
        [written.head(), written.payload()].concat().into()
    }

    /// The frame, ready to be sent.
    pub(crate) fn written(&self) -> Written<'_> {
        let (body, payload) = self.body.written();
        let frame = RelayMessageFrame {
            version: VERSION,
            stream_id: self.stream.as_str().to_owned(),
            ack: self.acks.ack,
            ack_bits: self.acks.bits,
            body,
        };
        let room = frame.encoded_len() + DATA_HEAD_BYTES;
        let mut head = Vec::with_capacity(room);
        // A vector takes everything.
        frame.encode_raw(&mut head);
        if let Some(segment) = payload {
            begin_data(segment, &mut head);
        }
        Written {
            head,
            payload: payload.map_or(&[], |segment| segment.payload()),
        }
    }
}

/// A frame as it is sent: what is before its payload, and that, which nobody has to copy to have the frame in one piece. It comes last, as the schema numbers its members.
pub(crate) struct Written<'a> {
    head: Vec<u8>,
    payload: &'a [u8],
}

impl Written<'_> {
    /// All that is not payload of a segment.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// That; empty in other frames.
    pub(crate) fn payload(&self) -> &[u8] {
        self.payload
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

    /// As a member of the schema; a segment, whose payload is not to be copied, as it is.
    fn written(&self) -> (Option<relay_message_frame::Body>, Option<&Segment>) {
        use schema::relay_message_frame::Body as Written;
        let written = match self {
            Self::Data(segment) => return (None, Some(segment)),
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
        };
        (Some(written), None)
    }
}

/// Writes a segment up to where its payload follows.
fn begin_data(segment: &Segment, to: &mut Vec<u8>) {
    let before = RelayData {
        seq: segment.seq(),
        segment_index: segment.index(),
        segment_count: segment.count(),
        payload: Bytes::new(),
    };
    let payload = segment.payload().len();
    let rest = key_len(PAYLOAD) + encoded_len_varint(payload as u64) + payload;
    encode_key(DATA, WireType::LengthDelimited, to);
    encode_varint((before.encoded_len() + rest) as u64, to);
    before.encode_raw(to);
    encode_key(PAYLOAD, WireType::LengthDelimited, to);
    encode_varint(payload as u64, to);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_segment_is_written_as_the_schema_writes_it(
            (ack, bits, start) in any::<(u32, u32, u32)>(),
            (index, rest) in (0..1_000_000_u32, 0..1_000_000_u32),
            length in prop_oneof![1..300_usize, 16_000..50_000_usize],
        ) {
            let payload: Bytes = (0..length).map(|at| (at % 251) as u8).collect();
            let seq = (start % (u32::MAX - 3_000_000)) + index;
            let segment = Segment::new(seq, index, index + 1 + rest, payload.clone());
            let frame = Frame {
                stream: StreamId::fresh(),
                acks: Acks { ack, bits },
                body: Body::Data(segment.expect("a segment")),
            };
            let by_the_schema = RelayMessageFrame {
                version: VERSION,
                stream_id: frame.stream.as_str().to_owned(),
                ack,
                ack_bits: bits,
                body: Some(relay_message_frame::Body::Data(RelayData {
                    seq,
                    segment_index: index,
                    segment_count: index + 1 + rest,
                    payload,
                })),
            };
            prop_assert_eq!(frame.encode(), by_the_schema.encode_to_vec());
        }
    }
}
