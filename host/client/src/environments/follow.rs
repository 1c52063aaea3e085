//! A running set of environments follows its file.
//!
//! By looking, and not by the system's notifications: a name that is a link, a directory that is not there yet, a network file system and
//! editors that put a new file in the place of the old one all look alike to that, and one look costs microseconds. What has changed is
//! read once it has stood still for one interval, so that no file is taken up that is being written.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use super::config::{self, Config, EnvironmentError};
use super::{Changes, Environments};
use crate::limits;

/// The file is followed as long as this is kept.
#[derive(Debug)]
pub struct Following {
    events: mpsc::Receiver<Followed>,
    task: AbortHandle,
}

/// What came of a file that had changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// It was taken up, and something is different.
    Changed(Changes),
    /// It cannot be used: all is as it was before.
    Refused(EnvironmentError),
}

impl Environments {
    /// Takes up what `file` says, now and whenever it has changed. One that is gone, or in which anything is wrong, changes nothing. Has to be
    /// called on a runtime; ends with the environments, too.
    pub fn follow(self: &Arc<Self>, file: impl Into<PathBuf>) -> Following {
        let (tell, events) = mpsc::channel(limits::CHANGES);
        let task = tokio::spawn(follow(Arc::downgrade(self), file.into(), tell));
        Following {
            events,
            task: task.abort_handle(),
        }
    }
}

impl Following {
    /// What came next; nobody has to ask. Of what nobody asks for, the first few are kept. `None` once the environments are gone.
    pub async fn next(&mut self) -> Option<Followed> {
        self.events.recv().await
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(environments: Weak<Environments>, file: PathBuf, tell: mpsc::Sender<Followed>) {
    let file = Arc::new(file);
    let mut ticks = interval(limits::FOLLOW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut taken = None;
    let mut seen = None;
    loop {
        ticks.tick().await;
        if environments.strong_count() == 0 {
            return;
        }
        let path = Arc::clone(&file);
        let Ok(now) = spawn_blocking(move || Stamp::of(&path)).await else {
            // The runtime is going down.
            return;
        };
        let stands_still = seen.replace(now.clone()).is_none_or(|before| before == now);
        if !stands_still || taken.as_ref() == Some(&now) {
            continue;
        }
        let (path, stamp) = (Arc::clone(&file), now.clone());
        let Ok(read) = spawn_blocking(move || read(&path, &stamp)).await else {
            return;
        };
        let Some(outcome) = read else {
            continue;
        };
        taken = Some(now);
        let Some(environments) = environments.upgrade() else {
            return;
        };
        let followed = match outcome {
            Ok(config) => Followed::Changed(environments.apply(config)),
            Err(error) => Followed::Refused(error),
        };
        match &followed {
            Followed::Changed(changes) if changes.is_empty() => continue,
            Followed::Changed(changes) => tracing::info!(
                added = ?changes.added,
                replaced = ?changes.replaced,
                removed = ?changes.removed,
                default = changes.default,
                "took up changes of {}",
                file.display()
            ),
            Followed::Refused(error) => {
                tracing::warn!("the environments stay as they were: {error}");
            }
        }
        // Fails where nobody asks.
        let _ = tell.try_send(followed);
    }
}

/// What it says; `None` if it changed meanwhile.
fn read(file: &Path, stamp: &Stamp) -> Option<Result<Config, EnvironmentError>> {
    let outcome = config::load(file);
    (Stamp::of(file) == *stamp).then_some(outcome)
}

/// Differs where the contents may.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stamp {
    There {
        device: u64,
        inode: u64,
        size: u64,
        modified: (i64, i64),
        /// Also of one that was written in the same moment and then given its old times.
        changed: (i64, i64),
    },
    Not(io::ErrorKind),
}

impl Stamp {
    fn of(file: &Path) -> Stamp {
        match std::fs::metadata(file) {
            Ok(found) => Stamp::There {
                device: found.dev(),
                inode: found.ino(),
                size: found.size(),
                modified: (found.mtime(), found.mtime_nsec()),
                changed: (found.ctime(), found.ctime_nsec()),
            },
            Err(error) => Stamp::Not(error.kind()),
        }
    }
}
