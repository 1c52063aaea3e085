//! What holds in somebody else's process and what does not, in words: nobody should learn it from an incident.

use std::fmt;

use lockgate_process::keeper;
use lockgate_server::ProcessSandbox;

use crate::Options;

/// What holds for an executor in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Processes that policies give a limit of time or output.
    pub bounds: Bounds,
    /// Processes that ask for a sandbox.
    pub process_sandbox: ProcessSandbox,
    /// Whether policies decide.
    pub has_policies: bool,
}

/// What becomes of bounded processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// A keeper holds them to their bounds, with all that they start.
    Kept,
    /// They are refused: there is no keeper.
    Refused,
}

pub(crate) fn of(options: &Options) -> Report {
    Report {
        bounds: match options.keeper.is_some() || keeper::is_offered() {
            true => Bounds::Kept,
            false => Bounds::Refused,
        },
        process_sandbox: options.process_sandbox,
        has_policies: options.policy.is_some(),
    }
}

/// In lines.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.has_policies {
            true => "policies: decide over every request\n",
            false => "policies: none, everything may be done\n",
        })?;
        f.write_str("files: requests with a sandbox go through the capability gate\n")?;
        f.write_str(match self.process_sandbox {
            ProcessSandbox::Refuse => {
                "processes: not confined; those that ask for a sandbox are refused\n"
            }
            ProcessSandbox::External => {
                "processes: not confined; those that ask for a sandbox run all the same\n"
            }
        })?;
        f.write_str(match self.bounds {
            Bounds::Kept => "limits of policies on processes: a keeper holds them; who kills it may outlive them, as there is no guardian\n",
            Bounds::Refused => "limits of policies on processes: cannot be held, such processes are refused; a keeper must be named\n",
        })?;
        f.write_str(
            "the end: processes end with the executor, but no daemons that left their session, and none where this program is killed; there is no guardian in it",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_not_enforced() {
        let mut options = Options::default();
        let text = options.report().to_string();
        for part in [
            "there is no guardian",
            "such processes are refused",
            "not confined",
            "policies: none",
        ] {
            assert!(text.contains(part), "{text}");
        }
        options.keeper = Some("/usr/bin/lockgate".into());
        assert_eq!(options.report().bounds, Bounds::Kept);
    }
}
