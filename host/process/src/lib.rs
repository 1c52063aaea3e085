//! Processes and terminals: spawn, signals, output log. No JSON, no sessions, no network: `lockgate-server` puts those around it.
//!
//! Theory of operation. [`Engine::spawn`] starts a child with `posix_spawn`, never fork: the cost must not grow with the server's memory. The
//! child leads a session and a process group of its own, holds no descriptor of the server, and has exactly the environment it was given.
//! Where it has [`Bounds`] it is started in the same way, but below a [`keeper`].
//! One task per process  reads its pipes or terminal into an [`OutputLog`], writes its stdin, and waits for its end. The log
//! is a bounded ring with one gapless sequence; connections pull from it at their own pace. [`guardian::Guardian`] is a tiny parent of
//! the server which sees to it that nothing survives the server, whatever ended it.
//!
//! What this crate does not do: confine. A process runs with the rights of the server.

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
compile_error!(
    "lockgate-process needs Linux with glibc 2.34 or newer (posix_spawn with addclosefrom_np, pidfd, /proc)"
);

mod census;
mod channels;
mod child;
mod descendants;
mod descriptors;
pub mod environment;
mod error;
mod group;
pub mod guardian;
pub mod keeper;
pub mod limits;
mod log;
mod prepared;
mod process;
mod program;
mod record;
mod ring;
mod signal;
mod spawn;
mod stdin;
mod supervise;
mod support;
mod surplus;
mod sys;
mod terminal;

pub use descriptors::raise_descriptor_limit;
pub use error::{SpawnError, WriteError};
pub use group::Group;
pub use log::{Chunk, Cursor, Exceeded, Observer, OutputLog, Position, Readers, Snapshot};
pub use process::Process;
pub use record::{Event, Stream};
pub use signal::Signal;
pub use spawn::{Bounds, Engine, Found, Spawn, Stdio};
pub use support::Support;
