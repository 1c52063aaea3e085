//! The stock policy `readonly`: files may be looked at and read, and nothing is changed. A model to copy.
//!
//! - **Files**: what changes something is denied. What reads is allowed with a grant of `/` to read, so that it is the host's capability
//!   gate that keeps it so, whatever this policy thinks of a verb.
//! - **Programs**: denied, since nothing confines a program, unless the configuration lists it: `program /usr/bin/git`. It is the whole path of
//!   the file that counts, not the name, and to list a program is to trust it with all that it can do. What it is told on its
//!   standard input is part of that: writes to processes are not asked.
//! - **HTTP**: `GET` and `HEAD` to the hosts that the configuration lists (`host example.com`, `host *.example.com`), each hop
//!   of a redirect included; nothing else.

use lockgate_policy::{
    Action, ActionKind, Description, HostPattern, Narrowing, Policy, Subject, Verdict, config,
};

struct Readonly {
    /// Absolute paths.
    programs: Vec<String>,
    hosts: Vec<HostPattern>,
}

impl Policy for Readonly {
    fn description() -> Description {
        Description::new(
            "readonly",
            env!("CARGO_PKG_VERSION"),
            "files may be looked at and read, and nothing is changed",
            [ActionKind::ProcessStart, ActionKind::File, ActionKind::Http],
        )
    }

    fn load(text: &str) -> Result<Self, String> {
        let (mut programs, mut hosts) = (Vec::new(), Vec::new());
        for line in config::lines(text) {
            match line.key {
                "program" => programs.push(line.path()?),
                "host" => hosts.push(line.host()?),
                _ => return Err(line.unknown(&["program", "host"])),
            }
        }
        Ok(Readonly { programs, hosts })
    }

    fn evaluate(&self, _: &Subject, action: &Action) -> Result<Verdict, String> {
        Ok(match action {
            Action::File(operation) if operation.changes() => Verdict::deny(format!(
                "nothing may be changed here, so no {}; files can be read and looked at",
                operation.verb.name()
            ))
            .rule("file"),
            Action::File(_) => Verdict::allow()
                .narrow(Narrowing::new().read("/"))
                .rule("file"),

            Action::ProcessStart(start) => match &start.program {
                Some(program) if self.programs.contains(program) => {
                    Verdict::allow().rule(format!("program {program}"))
                }
                _ => Verdict::deny(format!(
                    "a program could change something, so no {:?}; read files with file requests instead{}",
                    start.name(),
                    listed("; programs that may be started: ", &self.programs)
                ))
                .rule("program"),
            },
            // Not asked for.
            Action::ProcessWrite(_) => Verdict::abstain(),

            Action::Http(request) if !self.hosts.iter().any(|host| host.matches(&request.host)) => {
                Verdict::deny(format!("the host {} is not listed", request.host)).rule("host")
            }
            Action::Http(request) if !request.only_reads() => Verdict::deny(format!(
                "only GET and HEAD are allowed, and this is {}",
                request.method
            ))
            .rule("method"),
            Action::Http(_) => Verdict::allow().rule("host"),
        })
    }
}

lockgate_policy::export!(Readonly);

/// For a client that looks for another way: what there is, if there is something.
fn listed(before: &str, names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("{before}{}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
