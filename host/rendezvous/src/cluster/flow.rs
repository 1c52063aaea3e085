//! One pipe between two nodes, without I/O: frames in order, with credit, so that what a node holds for another one is bounded.
//!
//! NATS delivers at most once. A message that is missing shows in the numbers and breaks the pipe: the websocket at its end is closed, and whoever can resume
//! does.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::packet::Packet;
use crate::large::{Parcel, Turn};
use crate::limits;

/// Why a pipe is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("a packet is missing")]
    Missing,
    #[error("more came than was allowed")]
    TooMuch,
}

/// Both directions of one pipe.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Parts of frames to send, and whether a frame ends there; the first may have been sent in part.
    out: VecDeque<(Parcel, bool)>,
    out_bytes: usize,
    next_out: u64,
    /// Bytes sent, and those that the other node has taken in.
    sent: u64,
    taken_there: u64,
    /// Turns of large frames that are sent, and how much the other node has to have taken in before they are given back.
    turns: VecDeque<(u64, Turn)>,
    /// Frames that came, each with the bytes that are not yet reported as taken in.
    frames: VecDeque<(Parcel, u64)>,
    /// A frame that came in part, likewise.
    partial: BytesMut,
    partial_owed: u64,
    /// Little of a large frame is let come without a turn, which is then this.
    gated: bool,
    turn: Option<Turn>,
    /// The largest frame that may come; 0 is any.
    largest: usize,
    next_in: u64,
    /// What the frames cost here, and the partial one.
    held: usize,
    /// Bytes that came, that were taken in, and what the other node was told of it.
    came: u64,
    taken: u64,
    told: u64,
    /// A large frame was taken: the other node waits for that.
    tell: bool,
}

impl Flow {
    /// Whether another frame may be put in.
    pub(crate) fn has_room(&self) -> bool {
        self.out_bytes < limits::PIPE_WINDOW
    }

    /// Puts a frame in, or a part of one.
    pub(crate) fn push(&mut self, part: impl Into<Parcel>, last: bool) {
        let part = part.into();
        self.out_bytes += part.frame.len();
        self.out.push_back((part, last));
    }

    /// Large frames come only with a turn ([`Self::wants_turn`]).
    pub(crate) fn gate(&mut self) {
        self.gated = true;
    }

    /// No frame above this may come.
    pub(crate) fn limit(&mut self, largest: usize) {
        self.largest = largest;
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.out.is_empty()
    }

    /// What is to be sent next.
    pub(crate) fn next_packet(&mut self) -> Option<Packet> {
        let tell = std::mem::take(&mut self.tell);
        let untold = self.taken - self.told;
        if untold >= (limits::PIPE_WINDOW / 4) as u64 || (tell && untold > 0) {
            self.told = self.taken;
            return Some(Packet::Credit(self.taken));
        }
        let allowed = limits::PIPE_WINDOW as u64 - (self.sent - self.taken_there);
        let (part, ends) = self.out.front_mut()?;
        let (frame, ends) = (&mut part.frame, *ends);
        let length = frame.len().min(limits::PACKET);
        if length as u64 > allowed {
            return None;
        }
        let bytes = frame.split_to(length);
        let is_whole = frame.is_empty();
        let last = is_whole && ends;
        self.out_bytes -= length;
        self.sent += length as u64;
        if is_whole && let Some(turn) = self.out.pop_front().and_then(|(part, _)| part.into_turn())
        {
            self.turns.push_back((self.sent, turn));
        }
        let number = self.next_out;
        self.next_out += 1;
        Some(Packet::Data {
            number,
            last,
            bytes,
        })
    }

    /// What has come and is not taken costs so much here.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// The same with one packet more.
    pub(crate) fn held_with(&self, packet: &Packet) -> usize {
        match packet {
            Packet::Data { last, bytes, .. } => self.held + cost(bytes.len(), *last),
            _ => self.held,
        }
    }

    /// A part of a frame came.
    pub(crate) fn data(&mut self, number: u64, last: bool, bytes: Bytes) -> Result<(), Broken> {
        if number != self.next_in {
            return Err(Broken::Missing);
        }
        self.next_in += 1;
        let length = bytes.len() as u64;
        self.came += length;
        let largest = match self.largest {
            0 => lockgate_relay::limits::FRAME_BYTES,
            largest => largest,
        };
        if self.came - self.taken > limits::PIPE_WINDOW as u64
            || self.partial.len() + bytes.len() > largest
            || self.frames.len() >= limits::PIPE_FRAMES
        {
            return Err(Broken::TooMuch);
        }
        self.held += cost(bytes.len(), last);
        if last && self.partial.is_empty() {
            // A small one does not keep the buffer that it came in.
            let frame = match bytes.len() < limits::READ_BUFFER {
                true => Bytes::copy_from_slice(&bytes),
                false => bytes,
            };
            self.frames.push_back((frame.into(), length));
            return Ok(());
        }
        self.partial.extend_from_slice(&bytes);
        self.partial_owed += length;
        if !last {
            self.settle();
        } else {
            // Its end is reported when it is taken.
            let frame = std::mem::take(&mut self.partial).freeze();
            let owed = std::mem::take(&mut self.partial_owed);
            let parcel = Parcel::new(frame, self.turn.take());
            self.frames.push_back((parcel, owed));
        }
        Ok(())
    }

    /// Whether a large frame waits for its turn.
    pub(crate) fn wants_turn(&self) -> bool {
        self.gated && self.partial.len() > limits::SMALL_FRAME && self.turn.is_none()
    }

    /// It has its turn.
    pub(crate) fn has_turn(&mut self, turn: Turn) {
        if self.wants_turn() {
            self.turn = Some(turn);
            self.settle();
        }
    }

    /// What the other end has sent so far, and taken in.
    pub(crate) fn ping(&mut self, sent: u64, taken: u64) -> Result<(), Broken> {
        if sent != self.next_in {
            return Err(Broken::Missing);
        }
        self.credit(taken)
    }

    /// What is told to the other end from time to time.
    pub(crate) fn pings(&mut self) -> Packet {
        self.told = self.taken;
        Packet::Ping {
            sent: self.next_out,
            taken: self.taken,
        }
    }

    /// A frame may be larger than the window, so what came of it is reported as taken in, if nothing else waits here.
    fn settle(&mut self) {
        if self.frames.is_empty() && !self.wants_turn() {
            self.taken += std::mem::take(&mut self.partial_owed);
        }
    }

    /// The other node has taken in so much.
    pub(crate) fn credit(&mut self, bytes: u64) -> Result<(), Broken> {
        if bytes > self.sent {
            return Err(Broken::TooMuch);
        }
        self.taken_there = self.taken_there.max(bytes);
        while self.turns.pop_front_if(|(end, _)| *end <= bytes).is_some() {}
        Ok(())
    }

    /// The size of the next frame, if one has come.
    pub(crate) fn next_size(&self) -> Option<usize> {
        self.frames.front().map(|(parcel, _)| parcel.frame.len())
    }

    /// The next frame that came.
    pub(crate) fn take(&mut self) -> Option<Parcel> {
        let (parcel, owed) = self.frames.pop_front()?;
        self.held -= cost(parcel.frame.len(), true);
        self.taken += owed;
        self.tell |= parcel.frame.len() > limits::SMALL_FRAME;
        self.settle();
        Some(parcel)
    }
}

/// Of a part of a frame, or of its end.
fn cost(bytes: usize, last: bool) -> usize {
    match last {
        true => bytes + limits::FRAME_COST,
        false => bytes,
    }
}

#[cfg(test)]
mod tests;
