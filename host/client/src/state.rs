//! How a connection is: there, away, or ended. What callers see of the link being exchanged.

use std::time::Instant;

use crate::ClientError;

/// How a connection is ([`Client::state`](crate::Client::state)).
#[derive(Debug, Clone)]
pub enum ConnectionState {
    /// Calls go out.
    Connected {
        /// How often the session was resumed.
        resumed: u64,
    },
    /// The link was lost and is being replaced, or that to the rendezvous below it: calls wait, processes run on at the server.
    Away {
        /// From when on.
        since: Instant,
        /// How the link was lost.
        why: String,
        /// How often the session was resumed before.
        resumed: u64,
    },
    /// It will not come back; every call fails with this.
    Ended(ClientError),
}

impl ConnectionState {
    /// Whether calls go out at once.
    pub fn is_connected(&self) -> bool {
        matches!(self, ConnectionState::Connected { .. })
    }

    /// Whether the link was lost and may come back.
    pub fn is_away(&self) -> bool {
        matches!(self, ConnectionState::Away { .. })
    }

    /// How often the session was resumed so far.
    pub(crate) fn resumed(&self) -> u64 {
        match self {
            ConnectionState::Connected { resumed } | ConnectionState::Away { resumed, .. } => {
                *resumed
            }
            ConnectionState::Ended(_) => 0,
        }
    }

    /// The link was lost. False where that is no news: an attempt to come back has failed.
    pub(crate) fn leave(&mut self, lost: &str, now: Instant) -> bool {
        let ConnectionState::Connected { resumed } = *self else {
            return false;
        };
        *self = ConnectionState::Away {
            since: now,
            why: lost.to_owned(),
            resumed,
        };
        true
    }

    /// The link is carried again and is the same. False where it was.
    pub(crate) fn come_back(&mut self) -> bool {
        let ConnectionState::Away { resumed, .. } = *self else {
            return false;
        };
        *self = ConnectionState::Connected { resumed };
        true
    }
}
