//! `fs/*`, direct and through the capability gate alike.
//!
//! A method that is one request and one answer is a [`OneShot`]: how it is decoded, whether it changes something, and what
//! it does. What runs it, a call of its own or a batch, is not its concern.

mod changing;
mod gate;
mod looking;
mod missing;
mod one_shot;
mod reading;
mod streaming;

pub(crate) use changing::{Copy, CreateDirectory, Remove, WriteFile, new_mode, only_if};
pub(crate) use gate::{Gate, Raw};
pub(crate) use looking::{Canonicalize, GetMetadata, ReadDirectory, Walk};
pub(crate) use missing::watch_missing;
pub(crate) use one_shot::{OneShot, call};
pub(crate) use reading::{ReadFile, read_file};
pub(crate) use streaming::{close, open, read_block, write_block};

use lockgate_capfs::operation::Follow;

/// What `followSymlinks` means.
pub(crate) fn follow(follow_symlinks: Option<bool>) -> Follow {
    if follow_symlinks.unwrap_or(true) {
        Follow::Links
    } else {
        Follow::Nothing
    }
}
