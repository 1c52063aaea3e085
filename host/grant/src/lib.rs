//! Permission profiles and what they grant: pure, no I/O.
//!
//! [`profile`] is the `sandbox` object as clients of every age send it; [`Confinement`] is what it means on this host:
//! either nothing to gate, or [`Grants`], which answer for each path whether it may be written, read, only seen, or nothing.
//! The few facts about the host that the meaning hangs on (where links lead, what `TMPDIR` is) are asked of [`Host`].
//! [`narrowing`] is what an operator's policies leave of it. [`AbsPath`] is the one path type of the house; [`uri`] its other spelling,
//! and [`unseen`] what a path, or another text from elsewhere, must not be shown with.

mod confinement;
#[cfg(test)]
mod confinement_tests;
mod entries;
mod error;
mod globs;
mod grants;
pub mod limits;
mod minimal;
pub mod narrowing;
pub mod path;
pub mod profile;
mod protection;
mod rules;
mod spellings;
pub mod unseen;
pub mod uri;

pub use confinement::{Confined, Confinement, Host, NamesOnly, Place};
pub use error::ProfileError;
pub use grants::{Allowed, Grants};
pub use path::{AbsPath, PathError};
pub use profile::Sandbox;
