//! Logs: to stderr, warnings, and which policies hold, unless `LOCKGATE_LOG` asks for something else. stdout belongs to data.

use std::io::IsTerminal;

use lockgate_policy_gate::printable::printable;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

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
        .fmt_fields(fields())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // Without it a log that cannot be written is reported by a print to the same stderr, which panics.
        .log_internal_errors(false)
        .init();
    if let Some(mistake) = mistake {
        tracing::warn!("{VARIABLE} is no log filter ({mistake}); showing warnings");
    }
}

/// An event's message and fields, in one line whatever is in them: clients and policies choose some of it, and must not be able to write a line that
/// looks like the server's own.
fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer, field, value| {
        let value = format!("{value:?}");
        let value = printable(&value);
        match field.name() {
            "message" => write!(writer, "{value}"),
            name => write!(writer, "{name}={value}"),
        }
    })
    .delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn attack_25_nothing_that_is_logged_begins_another_line_or_drives_the_terminal() {
        let lines = Lines::default();
        let written = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(fields())
            .with_writer(move || written.clone())
            .with_ansi(false)
            .finish();
        let forged = "no\n2026-01-01T00:00:00Z  INFO lockgate::policies: all is well\u{1b}[2K\u{9b}\u{2028}\u{202e}";
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(policy = forged, number = 7, "a policy failed: {forged}");
            tracing::error!(error = %forged, "plain");
        });
        let bytes = lines.0.lock().expect("not poisoned").clone();
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{text:?}"
        );
        assert!(!text.contains(['\u{2028}', '\u{202e}']), "{text:?}");
        assert!(
            text.contains("a policy failed: no\\n2026") && text.contains("number=7"),
            "{text}"
        );
    }
}
