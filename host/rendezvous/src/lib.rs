//! The self-hosted half of remote mode: a registry, where executors say that they are there, and a rendezvous, where harnesses meet them.
//!
//! Theory of operation. `http` answers requests: with a token one gets a signed URL, with a signed URL a websocket. `hub` knows who is connected to
//! which environment and whose each stream is; `link` is one websocket: it reads frames, asks the hub where they go, and puts them into
//! the `outlet` of another link; frames above 256 KiB come in by turns (`large`). Nothing of a frame is read but the stream's name and whether its sender acknowledges: reliability is between the
//! ends (`lockgate_relay`), so a rendezvous may drop what has no room, die, and be replaced. What outlives it is in the `store`: a key and tokens.

mod authorization;
mod hex;
mod http;
mod hub;
mod large;
pub mod limits;
mod link;
mod options;
mod outlet;
mod refusal;
mod serve;
mod signed;
mod sources;
mod store;
mod tls;
mod token;

pub use options::Options;
pub use serve::{RendezvousError, harness_url, serve};
pub use store::{Store, StoreError};
pub use token::{Token, TokenRole};
