//! The capability filesystem: files through a guest that holds only what a profile grants.
//!
//! A server makes one [`CapFs`]. For each request it asks for the [`Files`] that the request's permission profile comes to: with a
//! profile that restricts nothing, and without any, that is the system itself ([`direct`]); with any other it is a [`Scope`], where
//! every operation is decided by a WebAssembly guest which can reach nothing but what the profile grants (the capability
//! kernel, DESIGN.md section 3), and carried out by the host. Both take and give the types of [`operation`].
//!
//! Files are overwritten in place. What a full disk, a quota or a killed process can do to their contents, and what is done about it,
//! is told in docs/files.md; [`ledger::start`] turns on the part for killed processes.
//!
//! All operations block, but those named `try_`.

mod admission;
mod capfs;
mod change;
mod contents;
pub mod direct;
mod facts;
mod files;
mod gate;
mod kernel;
pub mod ledger;
pub mod limits;
mod open_file;
pub mod operation;
mod options;
mod replace;
mod report;
mod scope;
mod tree;
mod walk;
mod walked;
mod warm;
mod watch;
pub mod workers;
mod writing;

pub use admission::GuestError;
pub use capfs::{CapFs, CapFsError, ConfineError};
pub use files::Files;
pub use kernel::root::PathBackEnd;
pub use lockgate_engine::{CacheChoice, Digest};
pub use lockgate_grant::{AbsPath, Grants, Sandbox};
pub use operation::{
    Entry, ErrorKind, Follow, FsError, Left, Metadata, NewTimes, OpenFile, WalkOptions, WalkOutcome,
};
pub use options::{GuestSource, Options, Times};
pub use replace::Replacing;
pub use report::Report;
pub use scope::Scope;
pub use tree::{Download, LeftOut, TreeReport, Upload};
pub use watch::{Change, ChangeKind, Changes, Watch, WatchQuota, Watcher};
pub use workers::Workers;
pub use writing::{OpenFor, WritableFile};
