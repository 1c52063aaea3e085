//! What an operator may choose.

use crate::transport::ListenUrl;

/// How a server runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: ListenUrl,
    /// What becomes of a process whose sandbox restricts something.
    pub process_sandbox: ProcessSandbox,
    /// The capability gate.
    pub capfs: lockgate_capfs::Options,
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
