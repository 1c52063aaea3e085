//! The capability filesystem: files through a guest that holds only what a profile grants.
//!
//! An embedder makes one [`CapFs`] and opens scopes in it, each with what it grants, from plain grants or from a permission profile
//! ([`Sandbox`]). With a profile that restricts nothing the [`Files`] are the system itself ([`direct`]); with any other they are a
//! [`Scope`], where every operation is decided by a WebAssembly guest which can reach nothing but what is granted, and carried out by the
//! host. Both take and give the types of [`operation`].
//!
//! # One directory and no more
//!
//! ```
//! use lockgate_capfs::{AbsPath, CapFs, Follow, Options};
//!
//! # let home = tempfile::tempdir()?;
//! # std::fs::write(home.path().join("notes"), "text")?;
//! # let directory = home.path();
//! let capfs = CapFs::new(Options::default())?;
//! let directory = AbsPath::parse(directory.canonicalize()?)?;
//! let files = capfs.scope().read(directory.clone()).deny_glob("/**/*.key").open()?;
//!
//! let file = files.open(&directory.join("notes")?, Follow::Links)?;
//! assert_eq!(file.read_all(1 << 20)?, b"text");
//!
//! let elsewhere = files.open(&AbsPath::parse("/etc/passwd")?, Follow::Links);
//! assert_eq!(elsewhere.unwrap_err().to_string(), "No such file or directory (os error 2)");
//! let changed = files.write_file(&directory.join("notes")?, b"other", Follow::Links);
//! assert_eq!(changed.unwrap_err().to_string(), "Read-only file system (os error 30)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From a profile
//!
//! ```
//! use lockgate_capfs::{AbsPath, CapFs, Follow, Options, Sandbox};
//!
//! let profile = r#"{"permissions": {"type": "managed", "network": "restricted", "file_system": {
//!     "type": "restricted",
//!     "entries": [{"path": {"type": "path", "path": "/usr"}, "access": "read"}]
//! }}}"#;
//! let sandbox: Sandbox = serde_json::from_str(profile)?;
//! let files = CapFs::new(Options::default())?.open(&sandbox)?;
//! assert!(files.metadata(&AbsPath::parse("/usr")?, Follow::Links)?.is_directory);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Without blocking
//!
//! All operations block, but those named `try_`. Asynchronous code hands them to [`Workers`], threads that can also be given up when the file
//! system below does not answer, and awaits them on whatever runtime it has:
//!
//! ```
//! use lockgate_capfs::{AbsPath, Files, Follow, Times, Workers};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let files = Files::Direct.waiting(&Workers::default(), Times::default().patience());
//! let usr = AbsPath::parse("/usr")?;
//! let found = files.look(move |files| files.metadata(&usr, Follow::Links)).await?;
//! assert!(found.is_directory);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # With a guest of your own
//!
//! What decides may be another component ([`GuestSource::Component`]), also one that nobody trusts: it gets what the scope grants and nothing
//! else, and whatever it does costs one request an error. `examples/open_one_directory.rs` runs one that was written to misbehave;
//! docs/guests.md tells how to write one.
//!
//! # What writing promises
//!
//! Files are overwritten in place. What a full disk, a quota or a killed process can do to their contents, and what is done about it,
//! is told in docs/files.md; [`ledger::start`] turns on the part for killed processes.

mod admission;
mod builder;
mod capfs;
mod change;
mod contents;
pub mod direct;
mod entry;
mod facts;
mod files;
mod gate;
mod kernel;
pub mod ledger;
pub mod limits;
mod open_file;
pub mod operation;
mod options;
mod own;
mod replace;
mod report;
mod scope;
mod scopes;
mod tree;
mod waiting;
mod walk;
mod walked;
mod warm;
mod watch;
pub mod workers;
mod writing;

pub use admission::GuestError;
pub use builder::{ScopeBuilder, ScopeError};
pub use capfs::{CapFs, CapFsError, ConfineError};
pub use contents::is_zeros;
pub use files::Files;
pub use kernel::root::PathBackEnd;
pub use lockgate_engine::{CacheChoice, Digest};
pub use lockgate_grant::narrowing::GrantEntry;
pub use lockgate_grant::{AbsPath, Grants, Sandbox};
pub use operation::{
    Entry, ErrorKind, FileKind, Follow, FsError, LeadsTo, Left, Listed, Metadata, NewTimes,
    OpenFile, Owner, WalkOptions, WalkOutcome,
};
pub use options::{GuestSource, Options, Times};
pub use own::{Own, OwnError};
pub use replace::Replacing;
pub use report::Report;
pub use scope::Scope;
pub use tree::{Download, LeftOut, Outline, OutlineEntry, OutlineKind, TreeReport, Upload};
pub use waiting::{Answer, WaitingFiles};
pub use watch::{Change, ChangeKind, Changes, Watch, WatchQuota, Watcher};
pub use workers::Workers;
pub use writing::{OpenFor, WritableFile};

/// The README's example is compiled, so that it can be copied.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
