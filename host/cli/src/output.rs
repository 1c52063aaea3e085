//! Data and reports on stdout, and words on stderr. Like `print!` and `eprintln!`, but a reader that has gone away is no reason to panic.

use std::fmt;
use std::io::Write;

use lockgate_policy_gate::printable::{printable_json, printable_lines};
use serde::Serialize;

use crate::failure::Failure;

/// A report for people, in lines. What it quotes comes from elsewhere and is not let loose on the terminal.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write(printable_lines(text).as_bytes())
}

/// Says a line on stderr, as `eprintln!` does. Where nobody hears it the command is done as ever, and its exit code says what came of it.
macro_rules! tell {
    ($($said:tt)*) => { $crate::output::tell(format_args!($($said)*)) };
}

pub(crate) fn tell(said: fmt::Arguments<'_>) {
    // In one piece: others write there, too.
    let _ = std::io::stderr().write_all(format!("{said}\n").as_bytes());
}

pub(crate) fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::new(error.to_string()))?;
    write(format!("{}\n", printable_json(&text)).as_bytes())
}

pub(crate) fn write(data: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(data)
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::unread(),
            _ => Failure::new(format!("cannot write the output: {error}")),
        })
}
