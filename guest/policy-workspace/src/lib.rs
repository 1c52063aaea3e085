//! The stock policy `workspace`: changes only below the roots, network only to listed hosts. A model to copy.
//!
//! - **Files**: everything may be read, and changed at and below each `root`. It is a grant that says so, which the host's capability gate
//!   enforces: a link that leads out of a root leads to a refusal. What is plainly outside is denied here already, in words. `hide` takes a
//!   directory or file away altogether, also below a root.
//! - **Programs**: denied, since nothing confines a program, unless it is listed by the whole path of its file, and that is not below
//!   a root: there the client could put another one in its place. To list a program is to trust it with all that it can do.
//! - **HTTP**: any method, to the hosts that are listed, each hop of a redirect included.

use lockgate_policy::{
    Action, ActionKind, Description, HostPattern, Narrowing, Policy, Subject, Verdict, config, path,
};

struct Workspace {
    /// Absolute paths, as the next two.
    roots: Vec<String>,
    hidden: Vec<String>,
    programs: Vec<String>,
    hosts: Vec<HostPattern>,
}

impl Policy for Workspace {
    fn description() -> Description {
        Description::new(
            "workspace",
            env!("CARGO_PKG_VERSION"),
            "changes only below the configured roots, network only to listed hosts",
            [ActionKind::ProcessStart, ActionKind::File, ActionKind::Http],
        )
    }

    fn load(text: &str) -> Result<Self, String> {
        let (mut roots, mut hidden, mut programs, mut hosts) =
            <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
        for line in config::lines(text) {
            match line.key {
                "root" => roots.push(line.path()?),
                "hide" => hidden.push(line.path()?),
                "program" => programs.push((line, line.path()?)),
                "host" => hosts.push(line.host()?),
                _ => return Err(line.unknown(&["root", "hide", "program", "host"])),
            }
        }
        if let Some((line, program)) = programs
            .iter()
            .find(|(_, program)| roots.iter().any(|root| path::is_below(program, root)))
        {
            return Err(line.error(&format!(
                "{program} is below a root, where the client can change it"
            )));
        }
        Ok(Workspace {
            roots,
            hidden,
            programs: programs.into_iter().map(|(_, program)| program).collect(),
            hosts,
        })
    }

    fn evaluate(&self, _: &Subject, action: &Action) -> Result<Verdict, String> {
        Ok(match action {
            Action::File(operation) => match operation.written_outside(&self.roots) {
                Some(path) => Verdict::deny(format!(
                    "{path} is outside of the workspace; files can be read anywhere and changed below: {}",
                    listed(&self.roots)
                ))
                .rule("root"),
                None => Verdict::allow().narrow(self.grant()).rule("root"),
            },

            Action::ProcessStart(start) => match &start.program {
                Some(program) if self.programs.contains(program) => {
                    Verdict::allow().rule(format!("program {program}"))
                }
                _ => Verdict::deny(format!(
                    "nothing would confine {:?} to the workspace; programs that may be started: {}",
                    start.name(),
                    listed(&self.programs)
                ))
                .rule("program"),
            },
            // Not asked for.
            Action::ProcessWrite(_) => Verdict::abstain(),

            Action::Http(request) if self.hosts.iter().any(|host| host.matches(&request.host)) => {
                Verdict::allow().rule("host")
            }
            Action::Http(request) => {
                Verdict::deny(format!("the host {} is not listed", request.host)).rule("host")
            }
        })
    }
}

impl Workspace {
    fn grant(&self) -> Narrowing {
        let grant = Narrowing::new().read("/").write_all(&self.roots);
        self.hidden
            .iter()
            .fold(grant, |grant, path| grant.nothing(path))
    }
}

lockgate_policy::export!(Workspace);

/// For a client that looks for another way.
fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests;
