//! What a capability filesystem came out as on this machine.

use lockgate_engine::Digest;

use crate::kernel::root::PathBackEnd;

/// For `doctor`.
#[derive(Clone, Debug)]
pub struct Report {
    /// How paths are resolved.
    pub path_back_end: PathBackEnd,
    /// The digest of the file guest.
    pub guest: Digest,
    /// It is the one that was built in.
    pub stock_guest: bool,
    /// It writes log lines.
    pub guest_logs: bool,
    /// The engine that runs it.
    pub engine: lockgate_engine::Report,
    /// Scopes remembered at the moment.
    pub scopes: usize,
    /// Guest instances kept warm at the moment.
    pub warm_instances: usize,
}
