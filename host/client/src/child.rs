//! A spawned server and its process group.
//!
//! The leader is watched through a pidfd and reaped last: as long as it is not reaped its number, and with it the group's,
//! belongs to nobody else, so a signal to the group cannot hit strangers.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::last_words::LastWords;
use crate::pidfd::Pidfd;
use crate::{ClientError, limits};

pub(crate) struct Child {
    process: std::process::Child,
    group: Pid,
    exit: Pidfd,
    program: String,
    words: Arc<LastWords>,
    ended: bool,
}

impl Child {
    /// Starts `command` as the leader of a new group, all its stdio piped.
    pub(crate) fn spawn(mut command: Command) -> Result<Child, ClientError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |reason: std::io::Error| ClientError::Spawn {
            program: program.clone(),
            reason: reason.to_string(),
        };
        let cwd = command.get_current_dir().map(Path::to_owned);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| match cwd.as_deref().and_then(unusable) {
                Some(reason) => ClientError::Spawn {
                    program: program.clone(),
                    reason,
                },
                None => failed(error),
            })?;
        let group = Pid::from_child(&process);
        match Pidfd::open(group) {
            Ok(exit) => Ok(Child {
                process,
                group,
                exit,
                program,
                words: Arc::new(LastWords::new()),
                ended: false,
            }),
            Err(error) => {
                let _ = kill_process_group(group, Signal::KILL);
                let _ = process.wait();
                Err(failed(error))
            }
        }
    }

    pub(crate) fn pipes(&mut self) -> Result<(ChildStdin, ChildStdout, ChildStderr), ClientError> {
        let failed = |reason: String| ClientError::Spawn {
            program: self.program.clone(),
            reason,
        };
        let (Some(stdin), Some(stdout), Some(stderr)) = (
            self.process.stdin.take(),
            self.process.stdout.take(),
            self.process.stderr.take(),
        ) else {
            return Err(failed("its pipes are gone".to_owned()));
        };
        let pipes = || {
            Ok((
                ChildStdin::from_std(stdin)?,
                ChildStdout::from_std(stdout)?,
                ChildStderr::from_std(stderr)?,
            ))
        };
        pipes().map_err(|error: std::io::Error| failed(error.to_string()))
    }

    /// Returns once the leader has exited.
    pub(crate) async fn exited(&self) {
        self.exit.exited().await;
    }

    /// As given.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// Where what it says and how it ends is kept.
    pub(crate) fn words(&self) -> &Arc<LastWords> {
        &self.words
    }

    /// Whether the leader exits within `grace`, by itself.
    pub(crate) async fn leaves(&self, grace: Duration) -> bool {
        let left = timeout(grace, self.exit.exited()).await.is_ok();
        if !left {
            self.words.program_stays();
        }
        left
    }

    /// Ends the group: a request first, then by force, also what a leader that has exited left behind. `by_itself` if that one has.
    pub(crate) async fn end(mut self, by_itself: bool) {
        let _ = kill_process_group(self.group, Signal::TERM);
        if timeout(limits::TERMINATE, self.exit.exited())
            .await
            .is_err()
        {
            tracing::warn!("the server did not end on SIGTERM; killing it");
        }
        self.kill(by_itself);
    }

    fn kill(&mut self, by_itself: bool) {
        if !std::mem::replace(&mut self.ended, true) {
            let _ = kill_process_group(self.group, Signal::KILL);
            let exit = self.process.wait().ok();
            self.words.program_over(exit.filter(|_| by_itself));
        }
    }
}

/// Without the grace: the runtime is going down.
impl Drop for Child {
    fn drop(&mut self) {
        self.kill(false);
    }
}

/// A child that cannot start says "No such file or directory" and not of what.
fn unusable(cwd: &Path) -> Option<String> {
    let entered = std::fs::metadata(cwd).and_then(|found| match found.is_dir() {
        true => Ok(rustix::fs::access(cwd, rustix::fs::Access::EXEC_OK)?),
        false => Err(rustix::io::Errno::NOTDIR.into()),
    });
    let error = entered.err()?;
    Some(format!(
        "its working directory {} cannot be used: {error}",
        cwd.display()
    ))
}
