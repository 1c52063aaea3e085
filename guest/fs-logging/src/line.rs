//! One line for one operation: its name, its paths, what came of it.

use lockgate_guest_fs::bindings::exports::lockgate::files::operations::Failure;

use crate::log_bindings::lockgate::files::log;

/// Does something, tells it to the operator, and gives back what came of it.
pub(crate) fn logged<T>(
    operation: &str,
    paths: &[&str],
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let outcome = work();
    let mut line = operation.to_owned();
    for path in paths {
        line.push_str(&format!(" {path:?}"));
    }
    line.push_str(": ");
    line.push_str(&match &outcome {
        Ok(_) => "ok".to_owned(),
        Err(Failure::System(code)) => code.name().to_owned(),
        Err(failure) => format!("{failure:?}"),
    });
    log::write(&line);
    outcome
}
