//! What carries streams over real sockets.
//!
//! [`Streams`] are one end's streams: a [`crate::Connection`] behind a lock, with the tasks that wait for it. [`Streams::carry`] runs over one physical
//! connection until that is lost; the streams stay, and the next call goes on with them. A [`RelayStream`] reads and writes messages of one
//! stream and knows nothing of connections. Nothing is queued between them: what is unread or unsent waits in the state machine, whose
//! limits are the only ones.

mod ahead;
mod backoff;
mod between;
mod carry;
mod channel;
mod dial;
mod opening;
mod socket;
mod stream;
mod streams;
pub(crate) mod tls;
mod upgrade;
mod violation;

pub use ahead::{Ahead, ReadAhead};
pub use backoff::Backoff;
pub use between::{Between, Reads};
pub use carry::{Lost, websocket_config};
pub use channel::{Channel, SendError};
pub use dial::{DialError, Io, Socket, dial, dial_frames, dial_with, without_query};
pub(crate) use dial::{no_trust, trust};
pub use socket::FrameSocket;
pub use stream::RelayStream;
pub use streams::Streams;
pub use upgrade::{NoUpgrade, accept_key};
pub use violation::violation;
