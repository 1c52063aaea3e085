//! A server under measure: a command that prints a ws URL as its first line on stdout. It is started, asked
//! for its process tree, and ended with everything it started.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::time::Timespec;

use crate::connection::microseconds;
use crate::failure::Failure;
use crate::{limits, tree};

/// A running server; dropping it ends it.
pub(crate) struct Server {
    child: Child,
    /// What it printed.
    pub(crate) url: String,
    /// Microseconds from its spawn to the line with the URL.
    pub(crate) start: f64,
}

/// What a program prints when it is ready.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A URL.
    Url,
    /// Nothing: others say when it is.
    Nothing,
}

/// How a server is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Through this program, so that it ends when the bench is killed. Costs a millisecond.
    EndsWithUs,
    /// Directly: for the cold-start measure.
    None,
}

impl Server {
    /// Starts `command` and waits for its URL.
    pub(crate) fn start(command: &str, guard: Guard) -> Result<Self, Failure> {
        Self::spawn(command, guard, Shown::Url)
    }

    /// The same for a program that may show no URL.
    pub(crate) fn spawn(command: &str, guard: Guard, shown: Shown) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::Server {
            command: command.into(),
            reason,
        };
        let words = words(command);
        let mut start = match guard {
            Guard::None => Command::new(&words[0]),
            Guard::EndsWithUs => {
                let mut start = Command::new(std::env::current_exe()?);
                start.arg("guarded").arg("--").arg(&words[0]);
                start
            }
        };
        start
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(match shown {
                Shown::Url => Stdio::piped(),
                Shown::Nothing => Stdio::null(),
            })
            .stderr(Stdio::null());
        let begin = Instant::now();
        let mut child = start.spawn().map_err(|error| failed(error.to_string()))?;
        let output = child.stdout.take();
        let mut server = Self {
            child,
            url: String::new(),
            start: 0.0,
        };
        let Some(output) = output else {
            return Ok(server);
        };
        if !readable(&output, limits::START)? {
            return Err(failed(format!(
                "no line within {} s",
                limits::START.as_secs()
            )));
        }
        BufReader::new(output).read_line(&mut server.url)?;
        server.start = microseconds(begin);
        server.url.truncate(server.url.trim_end().len());
        if !["ws://", "http://"]
            .iter()
            .any(|scheme| server.url.starts_with(scheme))
        {
            return Err(failed(format!(
                "its first line is no ws:// or http:// URL: {:?}",
                server.url
            )));
        }
        Ok(server)
    }

    /// The process id of the tree's root.
    pub(crate) fn root(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let before = tree::members(self.child.id());
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // Errors mean that it is gone, which is what is wanted.
            let _ = kill_process(pid, Signal::TERM);
            if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) {
                let _ = readable(&handle, limits::STOP);
            }
        }
        tree::kill(&before);
        let _ = self.child.wait();
    }
}

/// Waits until `source` can be read (or, for a pidfd, the process ended).
fn readable(source: &impl std::os::fd::AsFd, within: Duration) -> Result<bool, Failure> {
    let within = Timespec {
        tv_sec: within.as_secs() as i64,
        tv_nsec: 0,
    };
    let mut sources = [PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN)];
    Ok(poll(&mut sources, Some(&within))? > 0)
}

/// A plain command is split at blanks and run directly; one with shell syntax is left to a shell.
fn words(command: &str) -> Vec<String> {
    if command.trim().is_empty()
        || command.contains(|c: char| "|&;<>()$`\\\"'*?[]{}~=#".contains(c))
    {
        return vec!["/bin/sh".into(), "-c".into(), format!("exec {command}")];
    }
    command.split_whitespace().map(str::to_owned).collect()
}

/// The body of the hidden `guarded` subcommand: become `argv`, and end when the parent ends.
pub(crate) fn become_guarded(argv: &[String]) -> Result<(), Failure> {
    let command = argv.join(" ");
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Failure::Server {
            command,
            reason: "empty".into(),
        });
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    let error = Command::new(program).args(arguments).exec();
    Err(Failure::Server {
        command,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_commands_need_no_shell_and_the_others_get_one() {
        assert_eq!(words("lockgate serve"), ["lockgate", "serve"]);
        assert_eq!(words("A=b lockgate")[..2], ["/bin/sh", "-c"]);
    }
}
