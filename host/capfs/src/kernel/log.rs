//! `lockgate:files/log`: what a guest that was brought by configuration tells its operator.
//!
//! The lines of a call are kept until the call is over, and are written then: a guest cannot hold anybody up with them, and a call
//! that is done over (because its look-ups would have had to wait) does not tell its story twice. All is bounded: the line, the
//! lines of a call, and the lines that all calls together write in a second. What is left out is counted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_engine::log_line;
use wasmtime::component::{Linker, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::{Kernel, KernelError};
use crate::admission::LOG;
use crate::limits;

/// Where the lines go: the `target` of the events.
const TARGET: &str = "lockgate::guest";

/// What one call has said so far.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    said: Vec<String>,
    left_out: u64,
}

/// Gives the interface to a guest.
pub(crate) fn link(linker: &mut Linker<Kernel>) -> Result<()> {
    linker.instance(LOG)?.func_wrap(
        "write",
        |mut store: StoreContextMut<'_, Kernel>, (message,): (WasmStr,)| {
            match store.data().in_time() {
                Ok(()) => {}
                Err(KernelError::Trap(error)) => return Err(error),
                Err(KernelError::Code(code)) => return Err(code.into()),
            }
            // Beyond what is kept, a message is not even looked at.
            let line = match store.data().lines.is_full() {
                true => None,
                false => Some(log_line(&message.to_str(&store)?, limits::LOG_LINE_BYTES)),
            };
            store.data_mut().lines.add(line);
            Ok(())
        },
    )
}

impl Lines {
    fn is_full(&self) -> bool {
        self.said.len() >= limits::LOG_LINES_PER_CALL
    }

    fn add(&mut self, line: Option<String>) {
        match line {
            Some(line) => self.said.push(line),
            None => self.left_out += 1,
        }
    }
}

/// Writes lines, so many a second.
pub(crate) struct Writer {
    second: Mutex<Second>,
}

struct Second {
    began: Instant,
    written: usize,
    left_out: u64,
}

impl Writer {
    pub(crate) fn new() -> Writer {
        Writer {
            second: Mutex::new(Second {
                began: Instant::now(),
                written: 0,
                left_out: 0,
            }),
        }
    }

    /// Writes what a call has said.
    pub(crate) fn write(&self, lines: Lines) {
        for line in lines.said {
            if self.may_write() {
                tracing::info!(target: TARGET, "{line}");
            }
        }
        if lines.left_out > 0 && self.may_write() {
            tracing::warn!(target: TARGET, "{} more lines of this call were left out", lines.left_out);
        }
    }

    /// Whether a line may be written. Says first how many could not be.
    fn may_write(&self) -> bool {
        let admitted = self.admit(Instant::now());
        if let Some(left_out @ 1..) = admitted {
            tracing::warn!(target: TARGET, "{left_out} lines were left out: too many in one second");
        }
        admitted.is_some()
    }

    /// Whether a line may be written now, and how many were left out before it.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(second.began) >= Duration::from_secs(1) {
            second.began = now;
            second.written = 0;
        }
        if second.written >= limits::LOG_LINES_PER_SECOND {
            second.left_out = second.left_out.saturating_add(1);
            return None;
        }
        second.written += 1;
        Some(std::mem::take(&mut second.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_the_message_is() {
        let line = |message: &str| log_line(message, limits::LOG_LINE_BYTES);
        assert_eq!(line("read /a: ok"), "read /a: ok");
        assert_eq!(
            line("a\nb\x1b[31m\r\0\u{202e}c\u{2028}"),
            "a\\u{a}b\\u{1b}[31m\\u{d}\\u{0}\\u{202e}c\\u{2028}"
        );
        let long = line(&"ä".repeat(100_000));
        assert!(long.len() < limits::LOG_LINE_BYTES + 32, "{}", long.len());
        assert!(long.ends_with("… (200000 bytes)"));
    }

    #[test]
    fn so_many_lines_a_second_and_what_is_left_out_is_counted() {
        let writer = Writer::new();
        let start = Instant::now();
        for _ in 0..limits::LOG_LINES_PER_SECOND {
            assert_eq!(writer.admit(start), Some(0));
        }
        for _ in 0..3 {
            assert_eq!(writer.admit(start), None);
        }
        assert_eq!(writer.admit(start + Duration::from_secs(2)), Some(3));
        assert_eq!(writer.admit(start + Duration::from_secs(2)), Some(0));
    }

    #[test]
    fn a_call_keeps_so_many_lines() {
        let mut lines = Lines::default();
        for number in 0..limits::LOG_LINES_PER_CALL {
            assert!(!lines.is_full());
            lines.add(Some(number.to_string()));
        }
        assert!(lines.is_full());
        lines.add(None);
        assert_eq!(
            (lines.said.len(), lines.left_out),
            (limits::LOG_LINES_PER_CALL, 1)
        );
    }
}
