//! `--read`, `--write`, `--deny`, `--deny-glob`: a permission profile from the command line.

use std::path::{Path, PathBuf};

use lockgate_grant::profile::{
    Access, Entry, EntryPath, FileSystem, Network, Permissions, Sandbox,
};
use lockgate_grant::{AbsPath, Confinement, NamesOnly, uri};

use crate::failure::Failure;
use crate::here::{self, Beginning};

const HEADING: &str = "Sandbox (with any of these, nothing else is granted)";

/// What the command may touch.
#[derive(Clone, clap::Args)]
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
    /// Deny what matches this pattern and what is below: * within a name, ** across names (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = HEADING)]
    deny_glob: Vec<String>,
}

impl Profile {
    /// `None` when nothing was said: direct access. Relative paths and patterns begin in that directory, which is one of this machine if it `is_here`.
    pub(crate) fn sandbox(
        &self,
        from: &AbsPath,
        is_here: bool,
    ) -> Result<Option<Sandbox>, Failure> {
        // What is here says nothing of what is elsewhere.
        let is_there =
            |path: &Path| is_here && from.as_path().join(path).symlink_metadata().is_ok();
        let patterns = self.deny.iter().filter(|path| is_pattern(path));
        Profile::no_pattern(patterns.filter(|path| !is_there(path)))?;
        let mut rules = Vec::new();
        for (paths, access) in [
            (&self.read, Access::Read),
            (&self.write, Access::Write),
            (&self.deny, Access::Deny),
        ] {
            for path in paths {
                rules.push((EntryPath::Path(here::path_from(from, path)?), access));
            }
        }
        // Relative ones refer to the profile's `cwd`, which is that directory: joined here, its name would be read as a pattern too.
        let globs = self.deny_glob.iter().cloned().map(EntryPath::Glob);
        rules.extend(globs.map(|glob| (glob, Access::Deny)));
        if rules.is_empty() {
            return Ok(None);
        }
        let entries = rules.into_iter().map(|(path, access)| Entry {
            path,
            access,
            skip_missing: false,
        });
        Ok(Some(Sandbox {
            permissions: Permissions::Managed {
                file_system: FileSystem::Restricted {
                    entries: entries.collect(),
                    glob_scan_max_depth: None,
                },
                network: Network::Restricted,
            },
            cwd: Some(from.clone()),
            workspace_roots: None,
        }))
    }

    /// The same before anybody connects: what is wrong with it wherever it begins is told at once. One of this machine begins where we are.
    pub(crate) fn foretold(&self, is_here: bool) -> Result<(), Failure> {
        let from = match is_here {
            true => here::directory()?,
            false => AbsPath::root(),
        };
        self.sandbox(&from, is_here).map(|_| ())
    }

    /// Whether it is another one from another directory.
    pub(crate) fn is_relative(&self) -> bool {
        self.relative().next().is_some()
    }

    /// What hangs on where it begins.
    fn relative(&self) -> impl Iterator<Item = &Path> {
        let paths = self.read.iter().chain(&self.write).chain(&self.deny);
        let paths = paths.filter(|path| here::is_relative(path));
        let globs = self.deny_glob.iter().map(Path::new);
        let globs = globs.filter(|glob| glob.is_relative());
        paths.map(PathBuf::as_path).chain(globs)
    }

    /// The same on an executor, from where its relative paths begin.
    pub(crate) fn sandbox_on(&self, begins: &Beginning) -> Result<Option<Sandbox>, Failure> {
        if let (Beginning::Untold, Some(text)) = (begins, self.relative().next()) {
            return Err(here::untold(text));
        }
        self.sandbox(&begins.directory(), matches!(begins, Beginning::Here(_)))
    }

    /// Refuses a path that was meant as a pattern: it would deny nothing, and nobody would notice.
    fn no_pattern<'a>(mut patterns: impl Iterator<Item = &'a PathBuf>) -> Result<(), Failure> {
        match patterns.next() {
            None => Ok(()),
            Some(pattern) => Err(Failure::usage(format!(
                "`{}`: a path, not a pattern: use --deny-glob, or a file: URI for what is called so",
                pattern.display()
            ))),
        }
    }

    /// What `--write` grants by relative paths: what that is depends on where one is, which not everybody sees.
    pub(crate) fn relative_writes<'a>(
        &'a self,
        from: &'a AbsPath,
    ) -> impl Iterator<Item = (&'a Path, AbsPath)> {
        let relative = self.write.iter().filter(|path| here::is_relative(path));
        relative.filter_map(|path| Some((path.as_path(), here::path_from(from, path).ok()?)))
    }
}

/// Whether an executor can take such a profile, as far as that does not hang on what is there: an agent should not learn from its first call that
/// a pattern is none.
pub(crate) fn check(sandbox: &Sandbox) -> Result<(), Failure> {
    Confinement::of(sandbox, &NamesOnly)
        .map(|_| ())
        .map_err(|error| Failure::usage(error.to_string()))
}

/// Whether a path may be meant as a pattern. Of a URI every character is a name's.
fn is_pattern(path: &Path) -> bool {
    let is_uri = || path.to_str().is_some_and(uri::is_file_uri);
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().any(|byte| b"*?[".contains(byte)) && !is_uri()
}
