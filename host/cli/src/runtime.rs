//! The runtime of the subcommands that are clients.

use std::future::Future;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::logging;

/// Runs `work` to its end. What still blocks afterwards, such as a write to a pipe that nobody reads, is left behind.
pub(crate) fn run(
    work: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Failure> {
    logging::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}
