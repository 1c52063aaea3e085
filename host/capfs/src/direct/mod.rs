//! Files without a sandbox: the operations straight on the system, with the authority of this process.
//!
//! Nothing here protects anything, so links are followed as the system follows them, unless a request says otherwise ([`Follow::Nothing`]).
//! What it does promise is that no path hangs the server or makes a device act: a thing is looked at before it is opened.
//! All functions block; the `try_` ones answer only what the kernel has at hand and are for threads that must not.
//!
//! [`Follow::Nothing`]: crate::operation::Follow::Nothing

mod copy;
mod directory;
mod file;
mod inline;
mod local;
mod look;
mod metadata;
mod name;
mod remove;
mod replace;

pub use copy::copy;
pub(crate) use copy::{open_for_copy, real_as_far_as_it_exists};
pub use directory::{
    create_directory, create_directory_with, list_directory, read_directory, walk,
};
pub use file::{open, open_update, open_write, write_file};
pub use inline::{try_metadata, try_open};
pub(crate) use local::{is_known_local, learn};
pub use metadata::{canonicalize, metadata, set_mode, set_times};
pub use name::{read_link, rename, symlink};
pub use remove::remove;
pub use replace::replace_file;

#[cfg(test)]
mod tests;
