//! Signals by name, as `lockgate/process/signal` takes them. Only named signals exist here: a number means something else on each architecture.

use std::fmt;

use rustix::process::Signal as Raw;

/// One of the signals that Linux names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signal(Raw);

impl Signal {
    /// What Ctrl-C sends; `process/signal` calls it `interrupt`.
    pub const INTERRUPT: Signal = Signal(Raw::INT);
    /// The polite end.
    pub const TERMINATE: Signal = Signal(Raw::TERM);
    /// The end that cannot be refused.
    pub const KILL: Signal = Signal(Raw::KILL);

    /// `INT`, `SIGINT` or `sigint`; `None` for a name that Linux does not have.
    pub fn from_name(name: &str) -> Option<Signal> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        NAMES
            .iter()
            .find(|(known, _)| *known == bare)
            .map(|(_, raw)| Signal(*raw))
    }

    /// The name without `SIG`.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, raw)| *raw == self.0)
            .map_or("?", |(name, _)| name)
    }

    /// The number on this machine.
    pub fn number(self) -> i32 {
        self.0.as_raw()
    }

    pub(crate) fn raw(self) -> Raw {
        self.0
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

/// The first name of a number is the one that is shown; the rest are the aliases people type.
const NAMES: [(&str, Raw); 34] = [
    ("HUP", Raw::HUP),
    ("INT", Raw::INT),
    ("QUIT", Raw::QUIT),
    ("ILL", Raw::ILL),
    ("TRAP", Raw::TRAP),
    ("ABRT", Raw::ABORT),
    ("IOT", Raw::ABORT),
    ("BUS", Raw::BUS),
    ("FPE", Raw::FPE),
    ("KILL", Raw::KILL),
    ("USR1", Raw::USR1),
    ("SEGV", Raw::SEGV),
    ("USR2", Raw::USR2),
    ("PIPE", Raw::PIPE),
    ("ALRM", Raw::ALARM),
    ("TERM", Raw::TERM),
    ("STKFLT", Raw::STKFLT),
    ("CHLD", Raw::CHILD),
    ("CLD", Raw::CHILD),
    ("CONT", Raw::CONT),
    ("STOP", Raw::STOP),
    ("TSTP", Raw::TSTP),
    ("TTIN", Raw::TTIN),
    ("TTOU", Raw::TTOU),
    ("URG", Raw::URG),
    ("XCPU", Raw::XCPU),
    ("XFSZ", Raw::XFSZ),
    ("VTALRM", Raw::VTALARM),
    ("PROF", Raw::PROF),
    ("WINCH", Raw::WINCH),
    ("IO", Raw::IO),
    ("POLL", Raw::IO),
    ("PWR", Raw::POWER),
    ("SYS", Raw::SYS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_found_by_its_name_in_any_spelling() {
        for name in ["INT", "SIGINT", "sigint", "int"] {
            assert_eq!(Signal::from_name(name), Some(Signal::INTERRUPT), "{name}");
        }
        assert_eq!(
            Signal::from_name("SIGWINCH").map(Signal::name),
            Some("WINCH")
        );
        assert_eq!(Signal::from_name("IOT").map(Signal::name), Some("ABRT"));
    }

    #[test]
    fn what_is_no_signal_has_no_name_here() {
        for name in ["", "SIG", "9", "SIGRTMIN", "SIGSIGINT", "INT ", "EXIT"] {
            assert_eq!(Signal::from_name(name), None, "{name:?}");
        }
    }
}
