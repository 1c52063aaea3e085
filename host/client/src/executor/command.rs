//! What to start.

use std::collections::BTreeMap;
use std::fmt;

use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::process::{EnvPolicy, TerminalSize};

/// A program with its arguments and all that it is started with. Nothing is inherited that is not named here. Its `Debug` shows no arguments and no
/// values: these are where secrets are.
#[derive(Clone, PartialEq)]
pub struct Command {
    /// The program and its arguments; no shell is involved.
    pub argv: Vec<String>,
    /// What it sees as `argv[0]`, if not the program's name.
    pub arg0: Option<String>,
    /// Where it runs.
    pub cwd: AbsPath,
    /// Its whole environment; with an `env_policy` what is laid over that.
    pub env: BTreeMap<String, String>,
    /// Builds the environment from that of the executor.
    pub env_policy: Option<EnvPolicy>,
    /// What it reads and writes.
    pub input: Input,
    /// A profile to run under. An executor that cannot confine processes refuses what restricts anything.
    pub sandbox: Option<Sandbox>,
    /// Hold the process up, as a pipe would, while its events are not read, rather than lose any; nothing else on the connection waits for that. Executors that do
    /// not know how to do not, and then [`Event::Lost`](crate::Event::Lost) tells what a reader that was too far behind has lost, as ever.
    pub waits_for_reader: bool,
}

/// Where the input of a process comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// There is none.
    #[default]
    Nothing,
    /// What is written to it.
    Pipe,
    /// What is written to it, by a terminal of this size, which is its output, too. Executors that do not know sizes make it 24 x 80.
    Terminal(TerminalSize),
}

impl Command {
    /// Without any environment and input.
    pub fn new<A: Into<String>>(cwd: AbsPath, argv: impl IntoIterator<Item = A>) -> Command {
        Command {
            argv: argv.into_iter().map(Into::into).collect(),
            arg0: None,
            cwd,
            env: BTreeMap::new(),
            env_policy: None,
            input: Input::Nothing,
            sandbox: None,
            waits_for_reader: false,
        }
    }

    /// With a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Command {
        self.env.insert(name.into(), value.into());
        self
    }

    /// With an environment that is built from the executor's.
    #[must_use]
    pub fn env_policy(mut self, policy: EnvPolicy) -> Command {
        self.env_policy = Some(policy);
        self
    }

    /// With input that is written to it.
    #[must_use]
    pub fn piped(mut self) -> Command {
        self.input = Input::Pipe;
        self
    }

    /// On a terminal.
    #[must_use]
    pub fn on_terminal(mut self, rows: u16, cols: u16) -> Command {
        self.input = Input::Terminal(TerminalSize { rows, cols });
        self
    }

    /// Under a profile.
    #[must_use]
    pub fn within(mut self, sandbox: Sandbox) -> Command {
        self.sandbox = Some(sandbox);
        self
    }

    /// Held up rather than losing output, see [`Command::waits_for_reader`].
    #[must_use]
    pub fn wait_for_reader(mut self) -> Command {
        self.waits_for_reader = true;
        self
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("arguments", &self.argv.len())
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}
