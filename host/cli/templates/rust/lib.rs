//! What {{name}} decides: programs that the operator listed start, about others somebody is asked; files are changed
//! below one directory, and read everywhere. The configuration has lines "program PATH" and one "root PATH".

use std::slice;

use lockgate_policy::{Action, Description, Narrowing, Policy, Subject, Verdict, config, path};

struct Settings {
    programs: Vec<String>,
    root: String,
}

impl Policy for Settings {
    // Name, version and summary are Cargo.toml's.
    fn description() -> Description {
        lockgate_policy::description!(ProcessStart, File)
    }

    // Called once. An error refuses the policy, and the operator reads it.
    fn load(text: &str) -> Result<Self, String> {
        let (mut programs, mut root) = (Vec::new(), None);
        for line in config::lines(text) {
            match line.key {
                "program" => programs.push(line.path()?),
                "root" if root.is_none() => root = Some(line.path()?),
                "root" => return Err(line.error("there is one already")),
                _ => return Err(line.unknown(&["program", "root"])),
            }
        }
        let root = root.ok_or(
            "a line \"root PATH\" is missing: the directory below which files may be changed",
        )?;
        match programs
            .iter()
            .find(|program| path::is_below(program, &root))
        {
            Some(program) => Err(format!(
                "{program} is below {root}, where the client can change it"
            )),
            None => Ok(Settings { programs, root }),
        }
    }

    fn evaluate(&self, _: &Subject, action: &Action) -> Result<Verdict, String> {
        Ok(match action {
            Action::ProcessStart(start) => match &start.program {
                // The file that will be executed. argv[0] is only what the client calls it.
                Some(program) if self.programs.contains(program) => {
                    Verdict::allow().rule("program")
                }
                found => {
                    let program = found.as_deref().unwrap_or(start.name());
                    Verdict::ask(format!("Start {program}? It is not on the list.")).rule("program")
                }
            },
            Action::File(file) if file.written_outside(slice::from_ref(&self.root)).is_some() => {
                Verdict::deny(format!("Files are changed below {} only.", self.root)).rule("root")
            }
            // Paths are names. That nothing leaves the root by a link is what the host makes sure of, with this.
            Action::File(_) => Verdict::allow()
                .narrow(Narrowing::new().read("/").write(&self.root))
                .rule("root"),
            _ => Verdict::abstain(),
        })
    }
}

lockgate_policy::export!(Settings);
