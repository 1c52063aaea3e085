//! Whether this process hears of the ends of its children.

use crate::LocalError;

/// The number of SIGCHLD on Linux, whatever the architecture that this is built for.
const SIGCHLD: u32 = rustix::process::Signal::CHILD.as_raw().unsigned_abs();

/// An error where SIGCHLD is ignored: the system reaps children itself then, and no exit code is ever known.
pub(crate) fn are_waited_for() -> Result<(), LocalError> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        // Nobody knows. It will be seen at the first process.
        return Ok(());
    };
    match ignores(&status, SIGCHLD) {
        true => Err(LocalError::Children),
        false => Ok(()),
    }
}

/// Whether a signal is among the ignored ones of a `/proc/PID/status`.
fn ignores(status: &str, signal: u32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_tells_which_signals_are_ignored() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000010000\nSigCgt:\tffffffffffffffff\n";
        assert!(ignores(status, 17));
        assert!(!ignores(status, 16) && !ignores(status, 18));
        assert!(!ignores("", 17) && !ignores("SigIgn:\tzz\n", 17));
    }
}
