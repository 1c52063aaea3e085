//! What goes over a pipe, in bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Names a pipe: the same on both nodes.
pub(crate) type PipeId = [u8; 16];

/// What goes over a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// A part of a frame.
    Data {
        /// From 0.
        number: u64,
        /// The frame ends here.
        last: bool,
        bytes: Bytes,
    },
    /// So many bytes were taken in since the beginning.
    Credit(u64),
    /// What the other end should have: data packets that were sent, and bytes taken in. It repairs a lost credit, and shows lost data.
    Ping { sent: u64, taken: u64 },
    /// The pipe is over: the code of a websocket's close.
    Close(u16),
}

const DATA: u8 = 1;
const CREDIT: u8 = 2;
const CLOSE: u8 = 3;
const PING: u8 = 4;

impl Packet {
    pub(crate) fn encode(&self, pipe: PipeId) -> Bytes {
        let length = match self {
            Packet::Data { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let mut out = BytesMut::with_capacity(32 + length);
        let kind = match self {
            Packet::Data { .. } => DATA,
            Packet::Credit(_) => CREDIT,
            Packet::Close(_) => CLOSE,
            Packet::Ping { .. } => PING,
        };
        out.put_u8(kind);
        out.put_slice(&pipe);
        match self {
            Packet::Data {
                number,
                last,
                bytes,
            } => {
                out.put_u64(*number);
                out.put_u8(u8::from(*last));
                out.put_slice(bytes);
            }
            Packet::Credit(bytes) => out.put_u64(*bytes),
            Packet::Close(code) => out.put_u16(*code),
            Packet::Ping { sent, taken } => {
                out.put_u64(*sent);
                out.put_u64(*taken);
            }
        }
        out.freeze()
    }

    /// None for what is no packet.
    pub(crate) fn decode(mut from: Bytes) -> Option<(PipeId, Packet)> {
        let kind = from.try_get_u8().ok()?;
        let mut pipe = [0; 16];
        from.try_copy_to_slice(&mut pipe).ok()?;
        let packet = match kind {
            DATA => Packet::Data {
                number: from.try_get_u64().ok()?,
                last: from.try_get_u8().ok()? != 0,
                bytes: from,
            },
            CREDIT => Packet::Credit(from.try_get_u64().ok()?),
            CLOSE => Packet::Close(from.try_get_u16().ok()?),
            PING => Packet::Ping {
                sent: from.try_get_u64().ok()?,
                taken: from.try_get_u64().ok()?,
            },
            _ => return None,
        };
        Some((pipe, packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_they_were_written_and_nothing_else_is() {
        let pipe = [7; 16];
        let data = Packet::Data {
            number: 3,
            last: true,
            bytes: Bytes::from_static(b"frame"),
        };
        let ping = Packet::Ping { sent: 5, taken: 6 };
        for packet in [data, Packet::Credit(9), ping, Packet::Close(1012)] {
            let written = packet.encode(pipe);
            assert_eq!(Packet::decode(written.clone()), Some((pipe, packet)));
            for length in 0..written.len().min(19) {
                assert_eq!(Packet::decode(written.slice(..length)), None);
            }
        }
        assert_eq!(Packet::decode(Bytes::from(vec![9; 40])), None);
    }
}
