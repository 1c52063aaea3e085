//! What the end-to-end tests share: the built binary as a server, and a client that can send anything,
//! also what no proper client would.
//!
//! The tests drive `target/<profile>/lockgate`, which `make test` builds first.

mod apart;
mod chance;
mod ground;
mod hardened;
mod loopback;
mod mcp_server;
mod names;
mod nats;
mod nats_accounts;
pub mod origin;
mod process;
mod profile;
mod proxy;
mod raw_websocket;
mod rendezvous;
mod reserved;
mod secret;
mod server;
mod tls;
mod tree;
mod wire;

pub use apart::{fill, in_place_of, small_disk, with_mounts, with_network};
pub use chance::Chance;
pub use ground::{Ground, Way, decoded};
pub use hardened::{harden, keep_nothing};
pub use mcp_server::TestMcp;
pub use names::{Names, Said, Script};
pub use nats::{Nats, NatsCluster};
pub use process::{Ended, is_running, kill_9, start_params};
pub use profile::{Profile, Shape, uri};
pub use proxy::Proxy;
pub use raw_websocket::{RawWebSocket, UPGRADE, websocket_frame};
pub use rendezvous::{Executor, Rendezvous};
pub use reserved::reserved;
pub use secret::write_secret;
pub use server::{Server, cache_directory, lockgate};
pub use tls::tls_before;
pub use tree::{list_tree, read_tree, tar_entry, tar_names, write_tree};
pub use wire::{Refusal, Wire};

use std::time::Duration;

/// Longest that a test waits for an event. Generous: machines of CI are slow and shared.
pub const DEADLINE: Duration = Duration::from_secs(30);
