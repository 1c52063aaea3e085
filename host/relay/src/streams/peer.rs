//! What kind of peer a stream has: found out from its frames, never configured.
//!
//! A plain peer (the reference) has `ack = ack_bits = 0` on every frame, acknowledges nothing, and does whatever it gets twice if it gets it twice. One that
//! follows the contract must be told apart by any single frame, for any may be the one that arrives. That is why our own frames never have both at 0:
//! who has received nothing acknowledges the number before 0, and who has received only number 0 says so with a bit ([`crate::streams::receiving`]).

use crate::streams::frame::{Acks, Body, Frame};
use crate::streams::seq;

/// What is known of a peer. It only ever becomes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// Not a frame came yet. What is sent is kept, but not sent again: a plain peer would do it twice.
    Unheard,
    /// It acknowledges nothing: what was sent has arrived or never will, and what comes is taken as it comes.
    Plain,
    /// It acknowledges, so it also tells apart what it gets twice. It may not know segments.
    Acknowledging,
    /// It follows the whole contract: segments, and heartbeats that are answered.
    Contract,
}

impl Peer {
    /// What its frame shows.
    pub(crate) fn of(frame: &Frame) -> Self {
        let segments = matches!(&frame.body, Body::Data(segment) if segment.count() > 1);
        if segments || matches!(frame.body, Body::Heartbeat) || frame.acks.ack == seq::NOTHING {
            Self::Contract
        } else if frame.acks != Acks::PLAIN || matches!(frame.body, Body::Ack) {
            Self::Acknowledging
        } else {
            Self::Plain
        }
    }

    pub(crate) fn acknowledges(self) -> bool {
        self >= Self::Acknowledging
    }
}
