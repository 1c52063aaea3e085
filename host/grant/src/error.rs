//! Why a profile is refused as a whole. Refusing is the safe answer to whatever is not understood.

use crate::limits;
use crate::path::{AbsPath, PathError};

/// A profile that cannot be enforced as it stands. The server answers -32600 with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Project roots or relative patterns without anything they could refer to.
    #[error("file system sandbox context with dynamic permissions requires cwd")]
    NeedsCwd,
    /// A glob that cannot be compiled.
    #[error("sandbox glob pattern is malformed: {0}")]
    Glob(String),
    /// A glob with `read` or `write`.
    #[error("sandbox glob patterns can only be denied: use path entries to grant")]
    GrantingGlob,
    /// `subpath` leads out of the project root.
    #[error("sandbox project_roots subpath must be relative and without `..`")]
    Subpath,
    /// Something is to be denied of which this version does not know what it is.
    #[error(
        "sandbox denies the special path `{0}`, which is not known here and so cannot be enforced"
    )]
    UnknownDenial(String),
    /// More entries than any honest profile has.
    #[error("sandbox has {0} entries: at most {max} are possible", max = limits::ENTRIES)]
    TooManyEntries(usize),
    /// More globs than any honest profile has.
    #[error("sandbox has {0} glob patterns: at most {max} are possible", max = limits::GLOBS)]
    TooManyGlobs(usize),
    /// Paths or globs that are longer in all than any honest profile's.
    #[error("sandbox has {bytes} bytes of {what}: at most {max} are possible")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// How much there is.
        bytes: usize,
        /// How much there may be.
        max: usize,
    },
    /// Paths of more names than any honest profile's.
    #[error("sandbox paths have {0} names in all: at most {max} are possible", max = limits::RULE_NAMES)]
    TooManyNames(usize),
    /// A path of a policy's list is none.
    #[error("the path {path:?}: {error}")]
    Path {
        /// Its beginning.
        path: String,
        /// What is wrong with it.
        error: PathError,
    },
    /// What a policy leaves of the request's profile cannot be enforced, so that nothing is left.
    #[error("the grant that a policy narrows this request to cannot be enforced: {0}")]
    Narrowing(Box<ProfileError>),
    /// An entry's place cannot be determined on this host, so that a rule for it could miss.
    #[error("sandbox path {path} cannot be resolved on this host: {reason}")]
    Unresolved {
        /// The entry's path.
        path: AbsPath,
        /// What the host said.
        reason: String,
    },
}
