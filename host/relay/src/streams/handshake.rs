//! The handshake frames of a stream: one in each direction, before its messages.
//!
//! They have no numbers, so nothing acknowledges them. A peer of the contract is known to have ours when its own handshake comes (it answers ours), or a segment
//! (which it can make only after it); until then ours is sent again, and one that comes again is passed over. A plain peer takes a second one
//! for an attack, and to whom nothing is known of it is sent once. The pauses grow to 4 s and no further, because a stream that gets no message in
//! [`crate::limits::OPENING`] is over.

use std::time::Instant;

use bytes::Bytes;

use crate::limits::{TIMEOUT_FIRST, TIMEOUT_LEAST};
use crate::streams::peer::Peer;
use crate::streams::violation::Violation;

#[derive(Debug, Default)]
pub(crate) struct Handshake {
    /// Until the peer has it, or will never be sent it again.
    ours: Option<Ours>,
    has_ours: bool,
    theirs: Option<Bytes>,
}

#[derive(Debug)]
struct Ours {
    payload: Bytes,
    is_due: bool,
    /// The connection that it was sent on is gone.
    is_lost: bool,
    sent: u32,
    sent_at: Option<Instant>,
    again_at: Option<Instant>,
}

impl Handshake {
    /// Whether ours was given, sent or not.
    pub(crate) fn has_ours(&self) -> bool {
        self.has_ours
    }

    /// Whether ours is still to be sent for the first time.
    pub(crate) fn is_unsent(&self) -> bool {
        self.ours.as_ref().is_some_and(|ours| ours.sent == 0)
    }

    pub(crate) fn send(&mut self, payload: Bytes) {
        self.has_ours = true;
        self.ours = Some(Ours {
            payload,
            is_due: true,
            is_lost: false,
            sent: 0,
            sent_at: None,
            again_at: None,
        });
    }

    /// The peer's has come; true for the first time. One of the contract that sends its own again has not got ours.
    pub(crate) fn take(
        &mut self,
        payload: Bytes,
        peer: Peer,
        now: Instant,
    ) -> Result<bool, Violation> {
        match &self.theirs {
            Some(before) if *before == payload => {
                if let Some(ours) = &mut self.ours
                    && peer == Peer::Contract
                    && ours.sent_at.is_some_and(|at| now >= at + TIMEOUT_LEAST)
                {
                    ours.is_due = true;
                }
                Ok(false)
            }
            Some(_) => Err(Violation::SecondHandshake),
            None => {
                self.theirs = Some(payload);
                Ok(true)
            }
        }
    }

    /// The peer shows that it has ours.
    pub(crate) fn arrived(&mut self) {
        if !self.is_unsent() {
            self.ours = None;
        }
    }

    /// What kind of peer it is has become known.
    pub(crate) fn peer_is(&mut self, peer: Peer, now: Instant) {
        let Some(ours) = self.ours.as_mut().filter(|ours| ours.sent > 0) else {
            return;
        };
        match peer {
            Peer::Contract if ours.is_lost => ours.is_due = true,
            Peer::Contract => ours.again_at = Some(now + TIMEOUT_FIRST),
            Peer::Plain => self.ours = None,
            Peer::Unheard | Peer::Acknowledging => {}
        }
    }

    /// Ours, if it is to be sent now.
    pub(crate) fn poll(&mut self, peer: Peer, now: Instant) -> Option<Bytes> {
        let ours = self.ours.as_mut().filter(|ours| ours.is_due)?;
        ours.is_due = false;
        ours.is_lost = false;
        ours.sent_at = Some(now);
        let payload = ours.payload.clone();
        match peer {
            Peer::Plain => self.ours = None,
            Peer::Contract => {
                ours.again_at = Some(now + TIMEOUT_FIRST * (1 << ours.sent.min(2)));
                ours.sent += 1;
            }
            Peer::Unheard | Peer::Acknowledging => ours.sent += 1,
        }
        Some(payload)
    }

    /// When ours is to be sent again.
    pub(crate) fn timer(&self) -> Option<Instant> {
        self.ours.as_ref().and_then(|ours| ours.again_at)
    }

    /// That time has come.
    pub(crate) fn time_out(&mut self) {
        if let Some(ours) = &mut self.ours {
            ours.again_at = None;
            ours.is_due = true;
        }
    }

    /// The physical connection is gone, and ours with it if it was on its way.
    pub(crate) fn link_is_lost(&mut self, peer: Peer) {
        if let Some(ours) = self.ours.as_mut().filter(|ours| ours.sent > 0) {
            ours.again_at = None;
            ours.is_lost = true;
            ours.is_due |= peer == Peer::Contract;
        }
    }
}
