//! What an embedder chooses, before there is anything: so that what is built with it need not know the builder.

use std::sync::Arc;
use std::time::Duration;

use lockgate_engine::{CacheChoice, Digest};

use crate::kernel::root::PathBackEnd;
use crate::limits;
use crate::own::Own;
use crate::workers::Patience;

/// What an embedder chooses.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file guest.
    pub guest: GuestSource,
    /// How paths are resolved; by default `openat2` where the system has it.
    pub path_back_end: Option<PathBackEnd>,
    /// Where compiled guests are kept.
    pub cache: CacheChoice,
    /// Guest instances that may be alive at once.
    pub instances: Option<u32>,
    /// How long operations may take.
    pub times: Times,
    /// Files and directories of whoever embeds this that no grant makes writable, there or not: a configuration that the next start believes.
    /// The cache and the ledger are among them without being named. A clone tells the gate when others are named, or links lead elsewhere.
    pub own: Own,
}

/// How long an operation may take before its guest is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For one on a single path.
    pub operation: Duration,
    /// For copying or removing a tree.
    pub tree: Duration,
}

impl Times {
    /// How long one who waits for an operation should: that long for a single call below it, and in all as long as for a tree.
    pub fn patience(&self) -> Patience {
        Patience::within(self.operation, self.tree)
    }
}

impl Default for Times {
    fn default() -> Self {
        Times {
            operation: limits::OPERATION_TIME,
            tree: limits::TREE_TIME,
        }
    }
}

/// Where the file guest comes from.
#[derive(Clone, Debug, Default)]
pub enum GuestSource {
    /// The one that was built in.
    #[default]
    Stock,
    /// Another component for the same world.
    Component {
        /// Its bytes.
        bytes: Arc<[u8]>,
        /// The digest that it must have.
        pin: Option<Digest>,
    },
}
