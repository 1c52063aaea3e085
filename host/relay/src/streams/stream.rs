//! One stream: its two sides, what is known of its peer, and when to ask whether that still lives.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::limits::{
    HEARTBEAT, OPENING, RESUME_EVERY, SILENCE, TIMEOUT_FIRST, TIMEOUT_MOST, UNANSWERED,
};
use crate::streams::ended::Ended;
use crate::streams::frame::{Acks, Body, Frame};
use crate::streams::handshake::Handshake;
use crate::streams::peer::Peer;
use crate::streams::receiving::{Receiving, Taken};
use crate::streams::sending::Sending;
use crate::streams::stream_id::StreamId;
use crate::streams::violation::Violation;

/// What a frame brought.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Nothing that anybody above has to know.
    Word,
    /// A segment, and what became of it.
    Segment(Taken),
    /// The peer's handshake.
    Handshake(Bytes),
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) sending: Sending,
    pub(crate) receiving: Receiving,
    peer: Peer,
    opened_by_peer: bool,
    handshake: Handshake,
    /// The peer may have a handshake on this stream: it is ours, or began with one.
    takes_handshake: bool,
    /// Nothing is sent on a new physical connection before the peer said a word on it, which tells what it has.
    waiting: bool,
    /// A physical connection was lost during the stream's life.
    interrupted: bool,
    /// When the peer last said something that was up to date.
    heard: Instant,
    /// How often it did.
    words: u64,
    /// Questions since then: resumes, heartbeats, segments sent again.
    unanswered: u32,
    ask_at: Option<Instant>,
    resume_due: bool,
    heartbeat_due: bool,
    obeyed_resume: Option<Instant>,
    /// A message was refused for want of room.
    pub(crate) wants_room: bool,
    /// Nothing more will be queued; the stream ends when everything is acknowledged.
    pub(crate) finishing: bool,
    /// A message was given to send.
    pub(crate) has_begun: bool,
}

impl Stream {
    /// A stream of ours. It begins with a resume, as the reference's does.
    pub(crate) fn opened_here(id: StreamId, first: u32, now: Instant) -> Self {
        let mut stream = Self::opened_by_peer(id, first, true, now);
        stream.opened_by_peer = false;
        stream.ask_with_resume(now);
        stream
    }

    /// A stream whose first frame has come. Both sides count from `first`, which is 0 but in tests.
    pub(crate) fn opened_by_peer(
        id: StreamId,
        first: u32,
        with_handshake: bool,
        now: Instant,
    ) -> Self {
        Self {
            id,
            sending: Sending::new(first),
            receiving: Receiving::new(first, now),
            peer: Peer::Unheard,
            opened_by_peer: true,
            handshake: Handshake::default(),
            takes_handshake: with_handshake,
            waiting: false,
            interrupted: false,
            heard: now,
            words: 0,
            unanswered: 0,
            ask_at: None,
            resume_due: false,
            heartbeat_due: false,
            obeyed_resume: None,
            wants_room: false,
            finishing: false,
            has_begun: false,
        }
    }

    fn ask_with_resume(&mut self, now: Instant) {
        self.resume_due = true;
        let wait = TIMEOUT_FIRST * (1 << self.unanswered.min(8));
        self.ask_at = Some(now + wait.min(TIMEOUT_MOST));
    }

    /// Asks for a sign of life, sooner than by itself.
    pub(crate) fn ask(&mut self) {
        // A resume, which is on its way while it is waited for, asks too.
        self.heartbeat_due |= self.peer == Peer::Contract && !self.waiting;
    }

    /// How often something was heard of a peer that answers when it is asked.
    pub(crate) fn words(&self) -> Option<u64> {
        (self.peer == Peer::Contract).then_some(self.words)
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.peer == Peer::Plain
    }

    /// A frame of the peer, but for a reset. `room`: bytes that may be held beyond what is held.
    pub(crate) fn hear(&mut self, frame: Frame, room: usize, now: Instant) -> Result<Heard, Ended> {
        self.learn(Peer::of(&frame), now)?;
        if !self.peer.acknowledges() {
            return Ok(match frame.body {
                Body::Data(segment) => {
                    Heard::Segment(self.receiving.take_plain(segment, room, now))
                }
                Body::Handshake(payload) => self.hear_handshake(payload, now)?,
                _ => Heard::Word,
            });
        }
        let acks_nothing =
            frame.acks == Acks::PLAIN && (frame.body != Body::Ack || self.sending.next() == 0);
        let mut behind = false;
        if !acks_nothing {
            let prompt = !matches!(frame.body, Body::Resume { .. });
            behind = self.sending.acknowledge(frame.acks, prompt, now)?;
        }
        let mut heard = Heard::Word;
        match frame.body {
            Body::Data(segment) => {
                self.handshake.arrived();
                heard = Heard::Segment(self.receiving.take(segment, room, now)?);
            }
            Body::Handshake(payload) => {
                heard = self.hear_handshake(payload, now)?;
                self.receiving.ack_now(now);
            }
            Body::Resume { next_seq } => {
                behind |= self.resume(next_seq, now)?;
                self.receiving.ack_now(now);
            }
            Body::Heartbeat => self.receiving.ack_now(now),
            Body::Ack | Body::Reset(_) => {}
        }
        // A peer that forgot what it had is as good as silent: it will never have what comes next.
        if !behind {
            self.is_heard(now);
        }
        Ok(heard)
    }

    fn hear_handshake(&mut self, payload: Bytes, now: Instant) -> Result<Heard, Violation> {
        // The peer's is the first frame of its stream, or the answer to ours.
        if !self.takes_handshake || !(self.opened_by_peer || self.handshake.has_ours()) {
            return Err(Violation::SecondHandshake);
        }
        if !self.handshake.take(payload.clone(), self.peer, now)? {
            return Ok(Heard::Word);
        }
        self.receiving.must_count();
        // Who was opened here began, so the peer's is the answer.
        if !self.opened_by_peer {
            self.handshake.arrived();
        }
        Ok(Heard::Handshake(payload))
    }

    /// Whether this side may have a handshake on it, or has had it, or messages.
    pub(crate) fn can_send_handshake(&self) -> bool {
        !self.has_begun && !self.handshake.has_ours() && self.takes_handshake
    }

    pub(crate) fn send_handshake(&mut self, payload: Bytes) {
        self.receiving.must_count();
        self.handshake.send(payload);
    }

    fn learn(&mut self, shown: Peer, now: Instant) -> Result<(), Ended> {
        let before = self.peer;
        self.peer = before.max(shown);
        if before == self.peer {
            return Ok(());
        }
        if self.peer == Peer::Plain {
            if self.interrupted {
                return Err(Ended::LinkLost);
            }
            self.sending.forget_sent();
            self.waiting = false;
            self.resume_due = false;
            self.ask_at = None;
        } else if !before.acknowledges() {
            if before == Peer::Plain {
                self.receiving.count_from_what_was_seen();
            }
            self.sending.watch_sent(now);
        }
        self.handshake.peer_is(self.peer, now);
        Ok(())
    }

    /// Whether it is an old one.
    fn resume(&mut self, next_seq: u32, now: Instant) -> Result<bool, Ended> {
        let too_soon = self
            .obeyed_resume
            .is_some_and(|before| now < before + RESUME_EVERY);
        if too_soon && next_seq <= self.sending.next() {
            return Ok(false);
        }
        self.obeyed_resume = Some(now);
        Ok(self.sending.resume(next_seq)?)
    }

    fn is_heard(&mut self, now: Instant) {
        self.heard = now;
        self.words += 1;
        self.unanswered = 0;
        self.waiting = false;
        self.ask_at = (self.peer == Peer::Contract).then(|| now + HEARTBEAT);
    }

    /// What every frame says of what came; to a plain peer, what a plain peer says.
    pub(crate) fn acks(&self) -> Acks {
        if self.is_plain() {
            Acks::PLAIN
        } else {
            self.receiving.acks()
        }
    }

    /// A frame that is no data, if one is due: these go first.
    pub(crate) fn poll_control(&mut self, now: Instant) -> Option<Frame> {
        let body = if std::mem::take(&mut self.resume_due) {
            Body::Resume {
                next_seq: self.receiving.acknowledged(),
            }
        } else if !self.waiting
            && let Some(payload) = self.handshake.poll(self.peer, now)
        {
            Body::Handshake(payload)
        } else if std::mem::take(&mut self.heartbeat_due) {
            Body::Heartbeat
        } else if self.receiving.ack_by().is_some_and(|by| by <= now) {
            Body::Ack
        } else {
            return None;
        };
        Some(self.frame(body))
    }

    /// Whether [`Self::poll_data`] would give a frame.
    pub(crate) fn can_send(&self, crowded: bool) -> bool {
        !self.waiting && self.sending.can_send(crowded)
    }

    /// A frame with a segment, if one may be sent.
    pub(crate) fn poll_data(&mut self, crowded: bool, now: Instant) -> Option<Frame> {
        if self.waiting {
            return None;
        }
        let segment = self.sending.poll(self.peer, crowded, now)?;
        Some(self.frame(Body::Data(segment)))
    }

    fn frame(&mut self, body: Body) -> Frame {
        let acks = self.acks();
        self.receiving.ack_is_sent();
        Frame {
            stream: self.id.clone(),
            acks,
            body,
        }
    }

    /// When [`Self::on_time`] or [`Self::poll_control`] has something to do. Without a link only what ends the stream counts.
    pub(crate) fn deadline(&self, link_is_up: bool) -> Option<Instant> {
        let opening = self
            .is_opening()
            .then(|| self.receiving.progress() + OPENING);
        let others = [
            self.receiving.ack_by(),
            self.sending.timer(),
            self.handshake.timer(),
            self.ask_at,
        ];
        let others = others.into_iter().filter(|_| link_is_up).flatten();
        others.chain(opening).min()
    }

    fn is_opening(&self) -> bool {
        self.opened_by_peer && !self.receiving.has_message()
    }

    /// What time alone brings about.
    pub(crate) fn on_time(&mut self, link_is_up: bool, now: Instant) -> Result<(), Ended> {
        if self.is_opening() && now >= self.receiving.progress() + OPENING {
            return Err(Ended::NothingCame);
        }
        if !link_is_up {
            return Ok(());
        }
        if self.sending.timer().is_some_and(|at| at <= now) {
            self.sending.time_out();
            self.unanswered += 1;
        }
        if self.handshake.timer().is_some_and(|at| at <= now) {
            self.handshake.time_out();
            self.unanswered += 1;
        }
        if self.ask_at.is_some_and(|at| at <= now) {
            self.unanswered += 1;
            if self.waiting || self.peer == Peer::Unheard {
                self.ask_with_resume(now);
            } else {
                self.heartbeat_due = true;
                self.ask_at = Some(now + TIMEOUT_MOST);
            }
        }
        // A plain peer that was asked nothing owes no answer, however long it takes; one that never said a word may be plain.
        let owes_answers = self.peer.acknowledges() || self.interrupted;
        if owes_answers && self.unanswered >= UNANSWERED && self.silence(now) >= SILENCE {
            return Err(Ended::PeerGone);
        }
        Ok(())
    }

    fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// The physical connection is gone. A plain peer's streams end with it.
    pub(crate) fn link_is_lost(&mut self) -> Result<(), Ended> {
        if self.is_plain() {
            return Err(Ended::LinkLost);
        }
        self.interrupted = true;
        self.sending.lose_all();
        self.handshake.link_is_lost(self.peer);
        self.ask_at = None;
        self.resume_due = false;
        self.heartbeat_due = false;
        Ok(())
    }

    /// There is a new physical connection.
    pub(crate) fn link_is_up(&mut self, now: Instant) {
        self.waiting = true;
        self.heard = now;
        self.unanswered = 0;
        self.ask_with_resume(now);
    }

    /// Whether the stream has come to its own end.
    pub(crate) fn is_over(&self) -> Option<Ended> {
        if self.finishing && self.sending.is_done() && !self.handshake.is_unsent() {
            Some(Ended::Here)
        } else if self.sending.is_exhausted() {
            Some(Ended::Exhausted)
        } else {
            None
        }
    }
}
