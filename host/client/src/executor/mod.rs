//! What a harness needs of an executor, as traits: [`Processes`], [`Files`] and [`Http`], and [`Executor`], which is all three.
//!
//! Code that is written against them does not know where the executor is. Every [`Client`](crate::Client) is one, whichever transport its connection
//! has; `lockgate-local` makes one of the host itself, in the harness's own process. One suite of tests holds all of them to the same behaviour.
//!
//! They speak the language of a harness and not that of the wire: absolute paths, bytes, commands, streams. What an executor may be asked to stay
//! within is the `within` of each call, a sandbox profile; none means that nothing restricts the call. Errors are [`ClientError`]s wherever they come from, with the
//! codes of the protocol ([`ClientError::code`]). What an executor cannot do at all is [`ClientError::Unsupported`]; where plain calls come to the
//! same they are made instead, and where they come to less the answer says so.
//!
//! All of it is safe to drop: a future that is dropped gives its call up, and [`Processes::start`] ends what it had started by then.
//!
//! ```no_run
//! use lockgate_client::executor::{Command, Executor};
//! use lockgate_client::{AbsPath, Client, ClientError, ConnectOptions};
//!
//! async fn first_line(executor: &dyn Executor, at: &AbsPath) -> Result<String, ClientError> {
//!     let text = executor.read(at, None).await?;
//!     Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect_ws("ws://127.0.0.1:7000", ConnectOptions::default()).await?;
//! println!("{}", first_line(&client, &AbsPath::parse("/etc/os-release")?).await?);
//!
//! let command = Command::new(AbsPath::root(), ["uname", "-a"]).env("PATH", "/usr/bin:/bin");
//! let output = lockgate_client::executor::run(&client, &command, 64 << 10).await?;
//! println!("{} {}", output.exit_code, String::from_utf8_lossy(&output.stdout));
//! # Ok(())
//! # }
//! ```

mod command;
mod files;
mod http;
mod listing;
mod output;
mod processes;
mod remote;
mod web;
mod writer;

use futures_util::future::BoxFuture;
use lockgate_wire::environment::EnvironmentInfo;

use crate::ClientError;

pub use command::{Command, Input};
pub use files::{Blocks, Entry, Files, Found, Kind, Metadata, Removal, Replaced, Walk, Walked};
pub use http::{Body, Http, HttpReply, HttpReplyStream};
pub use listing::{Listed, Listing};
pub use lockgate_wire::fs::{FileKind, LeadsTo};
pub use output::{Output, run};
pub use processes::{EventStream, Processes, Running, Started};
pub use web::{HttpClient, RequestBuilder, Response};
pub use writer::{FileWriter, WriteBlocks};

/// What a call comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ClientError>>;

/// An executor: processes, files and HTTP of one machine. `Arc<dyn Executor>` also goes where an `Arc<dyn Files>` is wanted.
pub trait Executor: Processes + Files + Http {
    /// What its machine is like, such as the shell that commands are for. Executors of May 2026 do not say.
    fn environment(&self) -> Option<&EnvironmentInfo>;

    /// Whether it has ended, for whatever reason: no call will succeed any more.
    fn is_closed(&self) -> bool;

    /// Ends it, for everybody who has it, and waits until that is done.
    fn close(&self) -> BoxFuture<'_, ()>;
}
