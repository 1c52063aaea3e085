//! One pipe between two nodes, without I/O: frames in order, with credit, so that what a node holds for another one is bounded.
//!
//! NATS delivers at most once. A message that is missing shows in the numbers and breaks the pipe: the websocket at its end is closed, and whoever can resume
//! does.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::large::{Parcel, Turn};
use crate::limits;

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

/// Why a pipe is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("a packet is missing")]
    Missing,
    #[error("more came than was allowed")]
    TooMuch,
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that one side wants to send comes to the other. Gives how much that held at most.
    fn deliver(from: &mut Flow, to: &mut Flow) -> Result<usize, Broken> {
        let mut held = 0;
        loop {
            let mut moved = false;
            while let Some(packet) = from.next_packet() {
                moved = true;
                match packet {
                    Packet::Data {
                        number,
                        last,
                        bytes,
                    } => to.data(number, last, bytes)?,
                    Packet::Credit(bytes) => to.credit(bytes)?,
                    Packet::Ping { sent, taken } => to.ping(sent, taken)?,
                    Packet::Close(_) => {}
                }
                if to.wants_turn() {
                    to.has_turn(turn());
                }
                held = held.max(to.frames.iter().map(|(parcel, _)| parcel.frame.len()).sum());
            }
            while let Some(Packet::Credit(bytes)) = to.next_packet() {
                moved = true;
                from.credit(bytes)?;
            }
            if !moved {
                return Ok(held);
            }
        }
    }

    proptest! {
        #[test]
        fn frames_of_any_size_come_through_in_order(sizes in prop::collection::vec(0_usize..3 * limits::PIPE_WINDOW, 1..12), [greedy, gated] in any::<[bool; 2]>()) {
            let (mut from, mut to) = (Flow::default(), Flow::default());
            if gated {
                to.gate();
            }
            let frames: Vec<Bytes> = sizes
                .iter()
                .enumerate()
                .map(|(number, size)| Bytes::from(vec![number as u8; *size]))
                .collect();
            let mut waiting = frames.iter().cloned();
            let mut came = Vec::new();
            loop {
                while from.has_room() {
                    match waiting.next() {
                        Some(frame) => from.push(frame, true),
                        None => break,
                    }
                }
                deliver(&mut from, &mut to).expect("no rule is broken");
                let Some(parcel) = to.take() else { break };
                came.push(parcel.frame);
                while greedy && let Some(parcel) = to.take() {
                    came.push(parcel.frame);
                }
                deliver(&mut from, &mut to).expect("no rule is broken");
                let Packet::Ping { sent, taken } = from.pings() else { unreachable!() };
                to.ping(sent, taken).expect("nothing is missing");
            }
            prop_assert_eq!(came, frames);
            prop_assert_eq!(to.held(), 0);
        }
    }

    fn turn() -> Turn {
        let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        turns.try_acquire_owned().expect("the only one")
    }

    #[test]
    fn a_large_frame_waits_for_its_turn_and_a_small_pipe_takes_none() {
        let (mut from, mut to) = (Flow::default(), Flow::default());
        to.gate();
        let size = 4 * limits::PIPE_WINDOW;
        from.push(Bytes::from(vec![0; size]), true);
        let mut deliver = |to: &mut Flow| -> Result<usize, Broken> {
            let mut packets = 0;
            loop {
                let Some(Packet::Data {
                    number,
                    last,
                    bytes,
                }) = from.next_packet()
                else {
                    let Some(Packet::Credit(bytes)) = to.next_packet() else {
                        return Ok(packets);
                    };
                    from.credit(bytes)?;
                    continue;
                };
                packets += 1;
                to.data(number, last, bytes)?;
            }
        };
        let before = deliver(&mut to).expect("no rule is broken");
        assert!(to.wants_turn() && before * limits::PACKET <= 2 * limits::PIPE_WINDOW);
        to.has_turn(turn());
        deliver(&mut to).expect("no rule is broken");
        assert_eq!(to.take().expect("the frame").frame.len(), size);
        let mut small = Flow::default();
        small.limit(limits::SMALL_FRAME);
        let large = Bytes::from(vec![0; limits::SMALL_FRAME + 1]);
        assert_eq!(small.data(0, false, large), Err(Broken::TooMuch));
    }

    #[test]
    fn a_ping_shows_what_was_lost_and_repairs_a_credit() {
        let (mut from, mut to) = (Flow::default(), Flow::default());
        from.push(Bytes::from_static(b"lost"), true);
        from.next_packet().expect("a packet");
        let Packet::Ping { sent, taken } = from.pings() else {
            unreachable!()
        };
        assert_eq!(to.ping(sent, taken), Err(Broken::Missing));
        to.data(0, true, Bytes::from_static(b"lost"))
            .expect("the first");
        to.take().expect("a frame");
        let Packet::Ping { sent, taken } = to.pings() else {
            unreachable!()
        };
        from.ping(sent, taken).expect("nothing is missing");
        assert_eq!(from.taken_there, 4);
    }

    #[test]
    fn what_is_not_taken_holds_the_sender_up() {
        let (mut from, mut to) = (Flow::default(), Flow::default());
        for _ in 0..100 {
            from.push(Bytes::from(vec![0; limits::PACKET]), true);
        }
        let held = deliver(&mut from, &mut to).expect("no rule is broken");
        assert_eq!(held, limits::PIPE_WINDOW);
        assert!(!from.has_room());
        to.take().expect("a frame");
        assert!(from.next_packet().is_none());
    }

    #[test]
    fn a_large_frame_keeps_its_turn_until_the_other_node_has_taken_it() {
        let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        let (mut from, mut to) = (Flow::default(), Flow::default());
        for size in [3, 5 * limits::PIPE_WINDOW + 7, 3] {
            let turn = std::sync::Arc::clone(&turns).try_acquire_owned().ok();
            let frame = Bytes::from(vec![0; size]);
            from.push(Parcel::new(frame, turn.filter(|_| size > 3)), true);
        }
        deliver(&mut from, &mut to).expect("no rule is broken");
        assert_eq!(to.next_size(), Some(3));
        assert_eq!(turns.available_permits(), 0);
        to.take().expect("the small one");
        deliver(&mut from, &mut to).expect("no rule is broken");
        assert_eq!(to.next_size(), Some(5 * limits::PIPE_WINDOW + 7));
        assert_eq!(turns.available_permits(), 0);
        to.take().expect("the large one");
        deliver(&mut from, &mut to).expect("no rule is broken");
        assert_eq!(turns.available_permits(), 1);
        assert_eq!(to.next_size(), Some(3));
    }

    #[test]
    fn a_missing_packet_and_one_too_many_are_noticed() {
        let part = || Bytes::from_static(b"part");
        assert_eq!(Flow::default().data(1, true, part()), Err(Broken::Missing));
        let mut twice = Flow::default();
        twice.data(0, true, part()).expect("the first");
        assert_eq!(twice.data(0, true, part()), Err(Broken::Missing));
        assert_eq!(Flow::default().credit(1), Err(Broken::TooMuch));
        let mut full = Flow::default();
        let large = Bytes::from(vec![0; limits::PIPE_WINDOW]);
        full.data(0, true, large).expect("a window");
        assert_eq!(full.data(1, true, part()), Err(Broken::TooMuch));
    }

    #[test]
    fn attack_33_frames_of_nothing_cost_and_are_counted() {
        let mut flow = Flow::default();
        for number in 0..limits::PIPE_FRAMES as u64 {
            flow.data(number, true, Bytes::new()).expect("some");
        }
        assert_eq!(flow.held(), limits::PIPE_FRAMES * limits::FRAME_COST);
        let more = flow.data(limits::PIPE_FRAMES as u64, true, Bytes::new());
        assert_eq!(more, Err(Broken::TooMuch));
        while flow.take().is_some() {}
        assert_eq!(flow.held(), 0);
    }

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
