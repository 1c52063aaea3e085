//! What comes: whole binary messages of a moderate size go straight to their places, the bytes of all other frames to the library.

use std::io::{self, Cursor};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::library::Input;
use super::mask;
use crate::limits;

/// Bytes of the longest head of a frame (RFC 6455, 5.2). So many are read beyond a payload: the head of the next one, as a rule.
const HEAD: usize = 14;

#[derive(Debug)]
pub(super) struct Inflow {
    /// What came and belongs to no frame yet.
    ahead: BytesMut,
    /// What is read at once while no frame has begun.
    at_once: usize,
    coming: Option<Coming>,
    /// Bytes of a frame that the library still has to get.
    passing: u64,
    /// A message has come in part.
    is_parted: bool,
    /// The good-bye has come.
    is_closed: bool,
    is_server: bool,
    largest: usize,
}

/// A message that is read to its place.
#[derive(Debug)]
struct Coming {
    payload: Vec<u8>,
    length: usize,
    mask: Option<[u8; 4]>,
}

/// What is next.
pub(super) enum Step {
    /// A binary message is whole.
    Message(Bytes),
    /// The library has something to look at.
    Passed,
    /// More has to come.
    Read,
}

impl Inflow {
    pub(super) fn new(came: &[u8], role: Role, config: &WebSocketConfig) -> Inflow {
        let sizes = [config.max_frame_size, config.max_message_size];
        let largest = sizes.into_iter().flatten().min();
        Inflow {
            ahead: BytesMut::from(came),
            at_once: config.read_buffer_size.clamp(HEAD, limits::LOOK),
            coming: None,
            passing: 0,
            is_parted: false,
            is_closed: false,
            is_server: role == Role::Server,
            largest: largest.unwrap_or(usize::MAX).min(limits::WHOLE_FRAME),
        }
    }

    pub(super) fn next(&mut self, library: &mut Input) -> Step {
        loop {
            if let Some(coming) = &mut self.coming {
                let missing = coming.length - coming.payload.len();
                let here = missing.min(self.ahead.len());
                coming.payload.extend_from_slice(&self.ahead[..here]);
                self.ahead.advance(here);
                if coming.payload.len() < coming.length {
                    return Step::Read;
                }
                return match self.coming.take() {
                    Some(coming) => Step::Message(coming.into_message()),
                    None => Step::Read,
                };
            }
            if self.passing > 0 {
                if self.ahead.is_empty() {
                    return Step::Read;
                }
                let rest = usize::try_from(self.passing).unwrap_or(usize::MAX);
                let here = self.ahead.split_to(rest.min(self.ahead.len()));
                self.passing -= here.len() as u64;
                library.push(&here);
                return Step::Passed;
            }
            let mut head = Cursor::new(&self.ahead[..]);
            match FrameHeader::parse(&mut head) {
                Ok(None) => return Step::Read,
                Ok(Some((header, length))) => {
                    let bytes = head.position();
                    self.begin(&header, bytes, length);
                }
                // The library says what is wrong with it.
                Err(_) => self.passing = u64::MAX,
            }
        }
    }

    fn begin(&mut self, header: &FrameHeader, bytes: u64, length: u64) {
        let is_whole = header.opcode == OpCode::Data(Data::Binary)
            && header.is_final
            && !(header.rsv1 || header.rsv2 || header.rsv3)
            && header.mask.is_some() == self.is_server;
        if let Ok(length) = usize::try_from(length)
            && is_whole
            && length <= self.largest
            && !self.is_parted
            && !self.is_closed
        {
            self.ahead.advance(bytes as usize);
            self.coming = Some(Coming {
                payload: Vec::with_capacity(length + HEAD),
                length,
                mask: header.mask,
            });
            return;
        }
        self.passing = bytes.saturating_add(length);
        match header.opcode {
            OpCode::Data(_) => self.is_parted = !header.is_final,
            OpCode::Control(Control::Close) => self.is_closed = true,
            OpCode::Control(_) => {}
        }
    }

    /// Reads from the socket what [`Self::next`] waits for; gives how much.
    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(Coming {
            payload, length, ..
        }) = &mut self.coming
        {
            let most = *length + HEAD - payload.len();
            let read = {
                let mut into = (&mut *payload).limit(most);
                pin!(socket.read_buf(&mut into)).poll(cx)
            };
            if payload.len() > *length {
                self.ahead.extend_from_slice(&payload[*length..]);
                payload.truncate(*length);
            }
            return read;
        }
        if self.ahead.is_empty() {
            // Idle connections keep nothing.
            self.ahead = BytesMut::new();
        }
        // Where it is found out that nothing has come, which is at the end of every turn, nothing is allocated for it.
        let mut place = [MaybeUninit::uninit(); limits::LOOK];
        let mut into = ReadBuf::uninit(&mut place[..self.at_once]);
        ready!(Pin::new(socket).poll_read(cx, &mut into))?;
        self.ahead.extend_from_slice(into.filled());
        Poll::Ready(Ok(into.filled().len()))
    }
}

impl Coming {
    fn into_message(mut self) -> Bytes {
        if let Some(mask) = self.mask {
            mask::apply(&mut self.payload, mask);
        }
        self.payload.into()
    }
}
