//! What a guest's handle stands for.

use std::os::fd::OwnedFd;

use lockgate_grant::AbsPath;

/// A `descriptor` of `wasi:filesystem`.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub enum Descriptor {
    /// A directory, held by its path: each use starts at the root again.
    Directory { path: AbsPath },
    /// A regular file, held open. What happens to its name afterwards does not matter, as everywhere in Unix.
    File(File),
}

/// An open regular file.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub struct File {
    pub(crate) fd: OwnedFd,
    /// Bytes when it was opened.
    pub(crate) size: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}
