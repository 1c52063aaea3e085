//! What an operator may choose.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use lockgate_capfs::ledger::{self, LedgerError};

use crate::http::HttpOptions;
use crate::policy::Judge;
use crate::remote::RemoteOptions;
use crate::transport::ListenUrl;

/// How a server runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: ListenUrl,
    /// The registry where it registers instead of listening.
    pub remote: Option<RemoteOptions>,
    /// What becomes of a process whose sandbox restricts something.
    pub process_sandbox: ProcessSandbox,
    /// The capability gate.
    pub capfs: lockgate_capfs::Options,
    /// Where overwrites are noted, for the case that the server is killed in the middle of one.
    pub ledger: LedgerChoice,
    /// `http/request`.
    pub http: HttpOptions,
    /// The policy gate; none: everything may be done.
    pub policy: Option<PolicyOptions>,
}

/// The policy gate, and how it is loaded again.
#[derive(Clone)]
pub struct PolicyOptions {
    /// Decides over what clients ask for.
    pub judge: Arc<dyn Judge>,
    /// Reads the configuration again. Called at SIGHUP, on a thread where it may block; never twice at once by the server.
    pub reload: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for PolicyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyOptions").finish_non_exhaustive()
    }
}

/// Where a server keeps its ledger ([`lockgate_capfs::ledger`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LedgerChoice {
    /// `$XDG_STATE_HOME/lockgate`, else `~/.local/state/lockgate`.
    #[default]
    Standard,
    /// In this directory; it is made where it is missing.
    At(PathBuf),
    /// Nowhere.
    Off,
}

impl LedgerChoice {
    /// From here on overwrites are noted. What former servers have left unfinished is told now. Without a ledger a server works as well.
    pub(crate) fn start(&self) {
        let directory = match self {
            LedgerChoice::Standard => ledger::standard_directory(),
            LedgerChoice::At(directory) => Ok(directory.clone()),
            LedgerChoice::Off => return,
        };
        match directory.and_then(|directory| ledger::start(&directory)) {
            Ok(unfinished) => {
                for write in unfinished {
                    tracing::warn!("{write}");
                }
            }
            Err(LedgerError::Started) => {
                tracing::debug!("another server of this process keeps the ledger")
            }
            Err(error) => tracing::info!(
                "overwrites are not noted, should this server be killed in the middle of one: {error}"
            ),
        }
    }
}

/// What becomes of `process/start` with a sandbox that restricts something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessSandbox {
    /// It is refused: processes are native and this executor does not confine them.
    #[default]
    Refuse,
    /// It runs unconfined: the operator declares that this host is itself the sandbox (a container or
    /// VM for this one purpose). File requests still go through the gate.
    External,
}
