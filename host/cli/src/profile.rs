//! `--read`, `--write`, `--deny`: a permission profile from the command line.

use std::path::PathBuf;

use lockgate_grant::Sandbox;
use lockgate_grant::profile::Access;

use crate::failure::Failure;
use crate::here;

const HEADING: &str = "Sandbox (with any of these, nothing else is granted)";

/// What the command may touch.
#[derive(clap::Args)]
pub(crate) struct Profile {
    /// Let it read this path and what is below (repeatable)
    #[arg(long, value_name = "PATH", help_heading = HEADING)]
    read: Vec<PathBuf>,
    /// Let it read and write this path and what is below (repeatable)
    #[arg(long, value_name = "PATH", help_heading = HEADING)]
    write: Vec<PathBuf>,
    /// Deny this path and what is below, inside what is granted (repeatable)
    #[arg(long, value_name = "PATH", help_heading = HEADING)]
    deny: Vec<PathBuf>,
}

impl Profile {
    /// `None` when nothing was said: direct access.
    pub(crate) fn sandbox(&self) -> Result<Option<Sandbox>, Failure> {
        let mut rules = Vec::new();
        for (paths, access) in [
            (&self.read, Access::Read),
            (&self.write, Access::Write),
            (&self.deny, Access::Deny),
        ] {
            for path in paths {
                rules.push((here::path(path)?, access));
            }
        }
        if rules.is_empty() {
            return Ok(None);
        }
        let mut sandbox = Sandbox::restricted(rules);
        sandbox.cwd = Some(here::directory()?);
        Ok(Some(sandbox))
    }
}
