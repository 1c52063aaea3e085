//! What an embedder chooses.

use std::path::PathBuf;

use lockgate_server::{
    HttpOptions, LedgerChoice, ListenUrl, Options as ServerOptions, PolicyOptions, ProcessSandbox,
};

use crate::{Report, report};

/// How this host is an executor. The default is what `lockgate serve` does without a configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What becomes of a process whose sandbox restricts something.
    pub process_sandbox: ProcessSandbox,
    /// The capability gate of files.
    pub files: lockgate_capfs::Options,
    /// Where overwrites are noted, for the case that the harness is killed in the middle of one. There is one ledger in a process, that of the executor
    /// which starts first.
    pub ledger: LedgerChoice,
    /// What HTTP requests may reach.
    pub http: HttpOptions,
    /// Policies; none: everything may be done. They see the transport `stdio`, which is as near as their words come to this one.
    pub policy: Option<PolicyOptions>,
    /// The program that holds processes to the bounds of policies, by its absolute path: `lockgate`, or one that calls
    /// `lockgate_process::keeper::run_if_asked` before anything else. Not needed where the harness's own program does that.
    pub keeper: Option<PathBuf>,
}

impl Options {
    /// What will hold of it, and what will not.
    pub fn report(&self) -> Report {
        report::of(self)
    }

    pub(crate) fn of_server(self) -> (ServerOptions, Option<PathBuf>) {
        let options = ServerOptions {
            // It does not listen.
            listen: ListenUrl::Stdio,
            remote: None,
            process_sandbox: self.process_sandbox,
            capfs: self.files,
            ledger: self.ledger,
            http: self.http,
            policy: self.policy,
        };
        (options, self.keeper)
    }
}
