//! skeleton

use std::fmt;

/// The tiny parent of the server. See [`Guardian::start`].
#[derive(Debug)]
pub struct Guardian {
    state: Result<u32, String>,
}

impl Guardian {
    /// To be the first thing in `main`, before any thread exists and before anything is printed. Forks: the calling process becomes the
    /// guardian and **does not return** from here (it mirrors the server's exit); the child returns and goes on as the server. If that
    /// cannot be had (threads exist already, fork or prctl fails) the calling process goes on alone and [`Guardian::is_active`] is false.
    ///
    /// The guardian forwards SIGTERM, SIGINT, SIGHUP and SIGQUIT that were sent to it by a process (not those a terminal sends to the whole
    /// foreground group, which the server gets by itself); when the server is gone for whatever reason it kills everything that is
    /// left below it. When the guardian itself is killed the server gets SIGTERM.
    pub fn start() -> Guardian {
        Guardian {
            state: Err("not there yet".into()),
        }
    }

    /// Whether nothing can survive this server.
    pub fn is_active(&self) -> bool {
        self.state.is_ok()
    }

    /// Says through `tracing` when it is not active. Separate from [`Guardian::start`], which runs before there is a log.
    pub fn announce(&self) {
        if let Err(why) = &self.state {
            tracing::warn!(%why, "no guardian: what escapes its process group outlives this server if it is killed");
        }
    }
}

/// For `lockgate doctor`: `active (pid 12)`, or `inactive: why`.
impl fmt::Display for Guardian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Ok(pid) => write!(f, "active (pid {pid})"),
            Err(why) => write!(f, "inactive: {why}"),
        }
    }
}
