//! What the operator gives to the sessions of a face. Nothing that an MCP client says widens it: roots are not asked for, and no tool
//! has a parameter for it.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use lockgate_client::{Approver, Client};
use lockgate_grant::profile::{
    Access as Right, Entry, EntryPath, FileSystem, Network, Permissions,
};
use lockgate_grant::{AbsPath, Sandbox};

/// What the tools of a session may do.
#[derive(Clone, Debug)]
pub struct Access {
    /// With files.
    pub files: Files,
    /// Whether commands may run.
    pub commands: Commands,
    /// Where relative paths begin and commands run.
    pub directory: Directory,
    /// Secrets of this server: denied wherever files are restricted, whatever is granted. Where they are not, nothing is.
    pub kept: Vec<AbsPath>,
}

/// In a working directory that was granted without a profile these can be read and not written, there or not: the clients of MCP and the
/// shells that look into it start what they say, as the person, outside of every profile.
pub(super) const STARTS_PROGRAMS: [&str; 5] = [
    ".mcp.json",
    ".vscode/mcp.json",
    ".cursor/mcp.json",
    ".claude",
    ".envrc",
];

/// A working directory.
#[derive(Clone, Debug)]
pub enum Directory {
    /// This one.
    At(AbsPath),
    /// Another one, from the one that the executor is in; empty: that one. The executor says which it is.
    OfExecutor(PathBuf),
}

/// What may be done with files.
#[derive(Clone, Debug)]
pub enum Files {
    /// Reading and writing in the working directory and below, but for what clients and shells start programs by. Nothing else is there.
    Workspace,
    /// What a profile says.
    Granted(Rules),
    /// Everything that the executor's user may.
    Everything,
}

/// What an operator grants and denies, perhaps by paths which begin in the working directory: which that is may be known only once the executor was asked.
#[derive(Clone)]
pub struct Rules {
    /// The profile for a working directory and the executor's home directory, or why there is none, in words.
    pub profile: Arc<ProfileFor>,
    /// Whether it differs between directories.
    pub are_relative: bool,
}

/// See [`Rules::profile`].
pub type ProfileFor = dyn Fn(&AbsPath, Option<&AbsPath>) -> Result<Sandbox, String> + Send + Sync;

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rules = (self.profile)(&AbsPath::root(), None);
        f.debug_tuple("Rules").field(&rules).finish()
    }
}

/// Whether commands may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commands {
    /// No: files are restricted, and Lockgate does not confine processes.
    No,
    /// Yes.
    Yes {
        /// With the variables of the executor whose names say that they hold secrets.
        secrets: bool,
    },
}

/// Opens a connection to the executor: for the first call of a session, and again after the connection was lost. The error is in words.
pub type Connect = Arc<dyn Fn(Approver) -> Connecting + Send + Sync>;

/// A connection that is being opened.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Client, String>> + Send>>;

impl Access {
    /// The working directory with an executor that says it is in that directory. An executor which does not say leaves the root, where nothing hangs on it.
    pub(super) fn directory(&self, of_executor: Option<&AbsPath>) -> Result<AbsPath, String> {
        let from = match &self.directory {
            Directory::At(directory) => return Ok(directory.clone()),
            Directory::OfExecutor(from) => from,
        };
        let is_relative = matches!(&self.files, Files::Granted(rules) if rules.are_relative);
        match of_executor {
            Some(directory) => AbsPath::parse(directory.as_path().join(from))
                .map_err(|error| format!("--cwd {}: {error}", from.display())),
            None if is_relative || !from.as_os_str().is_empty() => Err(UNKNOWN.to_owned()),
            None => Ok(AbsPath::root()),
        }
    }

    /// The profile that every request of a session carries; none: nothing is restricted.
    pub(super) fn sandbox(
        &self,
        directory: &AbsPath,
        home: Option<&AbsPath>,
    ) -> Result<Option<Sandbox>, String> {
        let mut sandbox = match &self.files {
            Files::Everything => return Ok(None),
            Files::Workspace if holds_too_much(directory, home) => return Err(too_much(directory)),
            Files::Workspace => Sandbox {
                permissions: Permissions::Managed {
                    file_system: FileSystem::Restricted {
                        entries: workspace(directory),
                        glob_scan_max_depth: None,
                    },
                    network: Network::Restricted,
                },
                cwd: Some(directory.clone()),
                workspace_roots: None,
            },
            Files::Granted(rules) => (rules.profile)(directory, home)?,
        };
        if let Permissions::Managed {
            file_system: FileSystem::Restricted { entries, .. },
            ..
        } = &mut sandbox.permissions
        {
            let kept = self.kept.iter().cloned();
            entries.extend(kept.map(|path| entry(path, Right::Deny)));
        }
        Ok(Some(sandbox))
    }

    /// Whether the working directory would grant what nobody meant to: clients start their servers anywhere, often in the root or at home.
    pub fn is_too_much(&self, directory: &AbsPath, home: Option<&AbsPath>) -> bool {
        matches!(self.files, Files::Workspace) && holds_too_much(directory, home)
    }

    /// For the agent: what it will find.
    pub(super) fn instructions(&self) -> String {
        let place = match &self.directory {
            Directory::At(directory) => format!("{directory}"),
            Directory::OfExecutor(from) if from.as_os_str().is_empty() => {
                "the executor's directory".to_owned()
            }
            Directory::OfExecutor(from) => {
                format!("{}, from the executor's directory", from.display())
            }
        };
        let files = match &self.files {
            Files::Workspace => {
                "Files can be read and written there and below; nothing else can be seen. What clients and shells start programs by \
                 (.mcp.json, .vscode/mcp.json, .cursor/mcp.json, .claude, .envrc, .git, .agents, .codex) can be read and not written."
            }
            Files::Granted(_) => {
                "Files can be read and written as far as the operator's profile grants them; nothing else can be seen."
            }
            Files::Everything => "All files of the executor's user can be read and written.",
        };
        let commands = match (self.commands, &self.files) {
            (Commands::Yes { .. }, Files::Everything) => "Commands run with `run`.",
            (Commands::Yes { .. }, _) => {
                "Commands run with `run`. Lockgate does not hold them to that: it confines no processes, and the operator says that the machine is the sandbox."
            }
            (Commands::No, _) => NO_COMMANDS,
        };
        format!(
            "Tools for files and commands on the machine of a Lockgate executor. Relative paths begin in {place}. {files} {commands} \
             The operator's policies may refuse an action or ask a person first: a refusal says why, and trying the same again does not help."
        )
    }
}

fn entry(path: AbsPath, access: Right) -> Entry {
    Entry {
        path: EntryPath::Path(path),
        access,
        skip_missing: false,
    }
}

fn workspace(directory: &AbsPath) -> Vec<Entry> {
    // A directory whose name leaves no room for such a file can have none.
    let kept = STARTS_PROGRAMS.iter().filter_map(|name| {
        let mut names = name.split('/');
        names.try_fold(directory.clone(), |path, name| path.join(name).ok())
    });
    let granted = std::iter::once(entry(directory.clone(), Right::Write));
    granted
        .chain(kept.map(|path| entry(path, Right::Read)))
        .collect()
}

/// Whether a directory holds everything, or a home directory.
pub fn holds_too_much(directory: &AbsPath, home: Option<&AbsPath>) -> bool {
    directory.is_root() || home.is_some_and(|home| home.starts_with(directory))
}

/// Why that is too much, and what to do about it.
pub fn too_much(directory: &AbsPath) -> String {
    format!(
        "the working directory is {directory}, which holds a home directory or everything, and without a profile all of it could be read and \
         written: say which directory is meant with --cwd DIR, or what is granted with --read and --write"
    )
}

/// Why nothing can be done where the executor does not say in which directory it is.
const UNKNOWN: &str = "the executor does not say which directory it is in, and that is where the relative paths of --cwd, --read, --write, --deny and \
     --deny-glob begin: the operator has to give absolute ones, or an absolute --cwd";

/// Why there is no `run`, and what to do about it.
pub(super) const NO_COMMANDS: &str = "Commands cannot be run: this server's files are restricted, and Lockgate does not confine processes, \
     so it starts none. Use the tools for files. The operator can start `lockgate mcp` with --process-sandbox external where the machine \
     itself is the sandbox (a container, a VM), or with --unrestricted.";

#[cfg(test)]
mod tests {
    use super::*;

    fn access(directory: Directory, files: Files) -> Access {
        Access {
            files,
            commands: Commands::No,
            directory,
            kept: Vec::new(),
        }
    }

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).expect("a path")
    }

    fn rules(are_relative: bool) -> Files {
        let profile = |from: &AbsPath, _: Option<&AbsPath>| {
            Ok(Sandbox::restricted([(from.clone(), Right::Read)]))
        };
        Files::Granted(Rules {
            profile: Arc::new(profile),
            are_relative,
        })
    }

    #[test]
    fn the_executor_says_where_relative_paths_begin() {
        for (from, comes_to) in [("", "/there"), ("a/b", "/there/a/b"), ("..", "/")] {
            let access = access(Directory::OfExecutor(from.into()), rules(true));
            let directory = access.directory(Some(&path("/there"))).expect("one");
            assert_eq!(directory, path(comes_to));
        }
        let access = access(Directory::At(path("/here")), rules(true));
        for told in [None, Some(&path("/there"))] {
            assert_eq!(access.directory(told).expect("one"), path("/here"));
        }
    }

    #[test]
    fn nothing_relative_is_granted_with_an_executor_that_does_not_say_where_it_is() {
        for (from, files) in [
            ("", rules(true)),
            ("a", rules(false)),
            ("a", Files::Workspace),
        ] {
            let access = access(Directory::OfExecutor(from.into()), files);
            let refused = access.directory(None).expect_err("nowhere");
            assert!(refused.contains("has to give absolute ones"), "{refused}");
        }
        let own = || Directory::OfExecutor(PathBuf::new());
        let directory = access(own(), rules(false)).directory(None).expect("one");
        assert!(directory.is_root());
        let access = access(own(), Files::Workspace);
        let directory = access.directory(None).expect("one");
        let refused = access.sandbox(&directory, None).expect_err("the root");
        assert!(
            refused.contains("say which directory is meant"),
            "{refused}"
        );
    }
}
