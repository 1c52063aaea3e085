//! The server under demonstration: the built binary on a port of its own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::time::Timespec;

use crate::broken::{Broken, ensure};

/// How long it may take to listen.
const START: Duration = Duration::from_secs(20);
/// How long it may take to end after SIGTERM: what the issue promises.
const STOP: Duration = Duration::from_secs(2);

/// A running `lockgate serve`.
pub(crate) struct Server {
    child: Child,
    /// What it printed.
    pub(crate) url: String,
    /// From its spawn to that line.
    pub(crate) start: Duration,
}

impl Server {
    /// Starts `binary` and waits for its URL.
    pub(crate) fn start(binary: &Path) -> Result<Self, Broken> {
        let begin = Instant::now();
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "ws://127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                let binary = binary.display();
                Broken::Promise(format!(
                    "cannot start {binary}: {error} (build it first: `make demo` does)"
                ))
            })?;
        let output = child.stdout.take();
        let mut server = Self {
            child,
            url: String::new(),
            start: Duration::ZERO,
        };
        if let Some(output) = output
            && readable(&output, START)?
        {
            BufReader::new(output).read_line(&mut server.url)?;
        }
        server.start = begin.elapsed();
        server.url.truncate(server.url.trim_end().len());
        ensure(server.url.starts_with("ws://127.0.0.1:"), || {
            format!("its first line is no URL: {:?}", server.url)
        })?;
        Ok(server)
    }

    /// Asks it to end; how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration, Broken> {
        let begin = Instant::now();
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let handle = pidfd_open(pid, PidfdFlags::empty()).map_err(std::io::Error::from)?;
            kill_process(pid, Signal::TERM).map_err(std::io::Error::from)?;
            ensure(readable(&handle, STOP)?, || {
                format!("no end {STOP:?} after SIGTERM")
            })?;
        }
        self.child.wait()?;
        Ok(begin.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` it is gone, and both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `source` can be read (or, for a pidfd, the process ended).
pub(crate) fn readable(source: &impl std::os::fd::AsFd, within: Duration) -> Result<bool, Broken> {
    let within = Timespec {
        tv_sec: within.as_secs() as i64,
        tv_nsec: i64::from(within.subsec_nanos()),
    };
    let mut sources = [PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN)];
    Ok(poll(&mut sources, Some(&within)).map_err(std::io::Error::from)? > 0)
}
