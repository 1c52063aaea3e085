//! Logs: to stderr, warnings, and which policies hold, unless `LOCKGATE_LOG` asks for something else. stdout belongs to data.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "LOCKGATE_LOG";

/// They tell all that they hear at `debug`, whole messages among it, with whatever is in them: only who asks for one by name gets that.
const QUIET: [(&str, &str); 2] = [("async_nats", "warn"), ("rmcp", "error")];

const USUAL: &str = "warn,lockgate::policies=info";

/// Sets up logging for this process.
pub(crate) fn start() {
    let wanted = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let (filter, mistake) = match wanted.as_deref().map(EnvFilter::try_new) {
        None => (EnvFilter::new(USUAL), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(mistake)) => (EnvFilter::new(USUAL), Some(mistake)),
    };
    let named = |name: &str| wanted.as_ref().is_some_and(|wanted| wanted.contains(name));
    let quiet = QUIET.into_iter().filter(|(name, _)| !named(name));
    let quiet = quiet.filter_map(|(name, level)| format!("{name}={level}").parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
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
