//! The self-hosted half of remote mode: a registry, where executors say that they are there, and a rendezvous, where harnesses meet them.
//!
//! Theory of operation. `http` answers requests: with a token one gets a signed URL (`registry`), with a signed URL a websocket. `hub` knows who is connected to
//! which environment and whose each stream is; `link` is one websocket: it reads frames, asks the hub where they go, and puts them into
//! the `outlet` of another link; frames above 256 KiB come in by turns (`large`). Nothing of a frame is read but the stream's name and whether its sender
//! acknowledges: reliability is between the ends (`lockgate_relay`), so a rendezvous may drop what has no room, die, and be replaced. What outlives it is in the
//! `store`: a key and tokens. Several nodes share these, and their executors, over NATS (`cluster`).

mod authorization;
mod clock;
mod cluster;
mod hex;
mod http;
mod hub;
mod known;
mod large;
pub mod limits;
mod link;
mod options;
mod outlet;
mod refusal;
mod registry;
mod serve;
mod signed;
mod sources;
mod store;
mod tls;
mod token;
mod tokens;

pub use cluster::{ClusterError, Nats};
pub use options::{Options, Place};
pub use serve::{RendezvousError, serve};
pub use store::{Store, StoreError};
pub use token::{Token, TokenRole};
pub use tokens::Tokens;
