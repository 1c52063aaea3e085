//! Why streams end, and the memory of those that did.

use std::collections::{HashSet, VecDeque};

use thiserror::Error;

use crate::limits;
use crate::streams::frame::Reason;
use crate::streams::stream_id::StreamId;
use crate::streams::violation::Violation;

/// Why a stream is over.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Ended {
    /// This side ended it, and everything it had to say was said.
    #[error("ended here")]
    Here,
    /// The peer ended it, with this reason.
    #[error("ended by the peer: {}", .0.as_str())]
    ByPeer(Reason),
    /// The peer broke the contract.
    #[error("the peer broke the contract: {0}")]
    Violation(#[from] Violation),
    /// This side's numbers are used up. Everything that had one has arrived; what did not fit is lost.
    #[error("the numbers of the stream are used up")]
    Exhausted,
    /// The peer was not heard for [`limits::SILENCE`], though it was asked.
    #[error("the peer has not been heard for {} seconds", limits::SILENCE.as_secs())]
    PeerGone,
    /// The physical connection was lost, and the peer cannot resume, or nothing is known of what it can.
    #[error("the connection was lost, and the peer cannot resume")]
    LinkLost,
    /// The physical connection did not come back for [`limits::LINK_DOWN`].
    #[error("the connection did not come back for {} seconds", limits::LINK_DOWN.as_secs())]
    LinkDown,
    /// What came was not what the other end encrypted. Never from a connection itself, which knows nothing of it.
    #[error("the encryption failed: what came is not what the other end sent")]
    Insecure,
    /// There was no memory left for what its peer sent.
    #[error("no room for what the peer sent")]
    NoRoom,
    /// It was opened and no message followed for [`limits::OPENING`].
    #[error("opened, and no message in {} seconds", limits::OPENING.as_secs())]
    NothingCame,
}

impl Ended {
    /// What the peer is told; nothing if it is the one who said so.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::ByPeer(_) => None,
            Self::Here => Some(reason("closed")),
            Self::Violation(Violation::SecondHandshake) => {
                Some(Reason::secure_relay_protocol_error())
            }
            Self::Violation(violation) => Some(reason(&violation.to_string())),
            other => Some(reason(&other.to_string())),
        }
    }
}

/// A reason of our own words, which are short enough.
pub(crate) fn reason(words: &str) -> Reason {
    Reason::shortened(words)
}

/// The streams that ended last.
#[derive(Debug, Default)]
pub(crate) struct EndedStreams {
    order: VecDeque<StreamId>,
    names: HashSet<StreamId>,
}

impl EndedStreams {
    pub(crate) fn remember(&mut self, id: StreamId) {
        if !self.names.insert(id.clone()) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > limits::ENDED_STREAMS
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, id: &StreamId) -> bool {
        self.names.contains(id)
    }
}
