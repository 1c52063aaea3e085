//! Logs: to stderr, warnings, and which policies hold, unless `LOCKGATE_LOG` asks for something else. stdout belongs to data.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "LOCKGATE_LOG";

/// The client of NATS tells all that it hears at `debug`, whole messages among it: only who asks for it by name gets that.
const QUIET: &str = "async_nats=warn";

const USUAL: &str = "warn,lockgate::policies=info";

/// Sets up logging for this process.
pub(crate) fn start() {
    let wanted = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let (filter, mistake) = match wanted.as_deref().map(EnvFilter::try_new) {
        None => (EnvFilter::new(USUAL), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(mistake)) => (EnvFilter::new(USUAL), Some(mistake)),
    };
    let named = wanted.is_some_and(|wanted| wanted.contains("async_nats"));
    let filter = match QUIET.parse() {
        Ok(quiet) if !named => filter.add_directive(quiet),
        _ => filter,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // Without it a log that cannot be written is reported by a print to the same stderr, which panics.
        .log_internal_errors(false)
        .init();
    if let Some(mistake) = mistake {
        tracing::warn!("{VARIABLE} is no log filter ({mistake}); showing warnings");
    }
}
