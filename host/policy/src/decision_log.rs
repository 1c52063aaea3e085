//! The decision log: JSON lines in a file or on standard error.
//!
//! One thread writes; who decides only leaves a line in a queue. A disk that is slower than decisions come fills the queue: then a decision
//! waits for a moment, and then goes on without its line. A disk that is full loses lines too. Neither is silent: what is lost is counted,
//! told at error level when it begins and when it ends, and shown by [`LogReport`]. Decisions go on, since nobody could repair anything
//! through a server that denies everything; unless the operator would rather have that (`log_required`): then who decides waits until its line is written.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::limits;

/// Where decisions are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Appended to this file, which is made where it is missing, for this user only.
    File(PathBuf),
    /// Standard error, beside the server's own messages.
    Stderr,
}

/// How a decision log is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// Where it is.
    pub target: LogTarget,
    /// Lines that could not be written so far.
    pub lost: u64,
}

/// A decision log. Dropping it waits a moment for what is still to be written.
#[derive(Debug)]
pub(crate) struct DecisionLog {
    target: LogTarget,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to do for the writer.
    filled: Condvar,
    /// The writer has done something.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    lines: u64,
    /// All that there ever were. The last of them has this number.
    accepted: u64,
    /// Lines that somebody waits for, by their numbers; and which of them were not written.
    awaited: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    /// Takes the place of the file that is being written.
    reopened: Option<File>,
    writing: bool,
    ended: bool,
    lost: u64,
    /// Lines are being lost, and that has been said.
    losing: bool,
}

impl DecisionLog {
    pub(crate) fn open(target: LogTarget) -> io::Result<DecisionLog> {
        let sink = match &target {
            LogTarget::File(path) => Sink::File(open(path)?),
            LogTarget::Stderr => Sink::Stderr,
        };
        DecisionLog::into(target, sink)
    }

    fn into(target: LogTarget, sink: Sink) -> io::Result<DecisionLog> {
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        std::thread::Builder::new()
            .name("lockgate-log".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || of_thread.write(sink))?;
        Ok(DecisionLog { target, shared })
    }

    /// On a disk that is full.
    #[cfg(test)]
    pub(crate) fn on_a_full_disk() -> DecisionLog {
        let full = File::options().write(true).open("/dev/full");
        let sink = Sink::File(full.expect("always full"));
        DecisionLog::into(LogTarget::Stderr, sink).expect("a thread")
    }

    pub(crate) fn target(&self) -> &LogTarget {
        &self.target
    }

    pub(crate) fn report(&self) -> LogReport {
        LogReport {
            target: self.target.clone(),
            lost: self.shared.queue().lost,
        }
    }

    /// Opens the file again by its name: whoever rotates logs has moved the one that was being written.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        if let LogTarget::File(path) = &self.target {
            let file = open(path)?;
            self.shared.queue().reopened = Some(file);
            self.shared.filled.notify_one();
        }
        Ok(())
    }

    /// Leaves a line to be written. Waits for a moment where the queue is full.
    pub(crate) fn add(&self, line: &[u8]) {
        if let Some((queue, _)) = self.queue_up(line) {
            drop(queue);
            self.shared.filled.notify_one();
        }
    }

    /// Has a line written, and says whether it was.
    pub(crate) fn add_surely(&self, line: &[u8]) -> Result<(), NotLogged> {
        let Some((mut queue, number)) = self.queue_up(line) else {
            return Err(NotLogged);
        };
        queue.awaited.insert(number);
        self.shared.filled.notify_one();
        let waits = |queue: &Queue| queue.awaited.contains(&number);
        queue = self
            .shared
            .wait(queue, limits::LOG_PATIENCE_REQUIRED, waits);
        let is_late = queue.awaited.remove(&number);
        match queue.refused.remove(&number) || is_late {
            true => Err(NotLogged),
            false => Ok(()),
        }
    }

    /// The number of a line that is going to be written; none where there is no room for it.
    fn queue_up(&self, line: &[u8]) -> Option<(MutexGuard<'_, Queue>, u64)> {
        let mut queue = self.shared.queue();
        let full = |queue: &Queue| queue.bytes.len() + line.len() > limits::LOG_QUEUE_BYTES;
        if full(&queue) && !queue.losing {
            queue = self.shared.wait(queue, limits::LOG_PATIENCE, full);
        }
        if full(&queue) {
            queue.lose(1, "they come faster than they can be written");
            return None;
        }
        queue.bytes.extend_from_slice(line);
        queue.lines += 1;
        queue.accepted += 1;
        let number = queue.accepted;
        Some((queue, number))
    }

    /// Waits a moment for what is still to be written.
    pub(crate) fn flush(&self) {
        let busy = |queue: &Queue| queue.writing || !queue.bytes.is_empty();
        let queue = self.shared.queue();
        drop(self.shared.wait(queue, limits::LOG_PATIENCE_AT_END, busy));
    }
}

impl Drop for DecisionLog {
    fn drop(&mut self) {
        self.shared.queue().ended = true;
        self.shared.filled.notify_one();
        self.flush();
    }
}

/// A line was not written: the log's own message says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotLogged;

impl Queue {
    /// Of the lines up to `last` these many, the last of them, were not written.
    fn settle(&mut self, last: u64, lost: u64) {
        let later = self.awaited.split_off(&(last + 1));
        let settled = std::mem::replace(&mut self.awaited, later);
        let refused = settled.into_iter().filter(|number| number + lost > last);
        self.refused.extend(refused);
    }

    fn lose(&mut self, lines: u64, why: &str) {
        self.lost += lines;
        if !self.losing {
            self.losing = true;
            tracing::error!(target: "lockgate::policy", lost = self.lost, "decisions are not being logged: {why}");
        }
    }

    fn recover(&mut self) {
        if self.losing {
            self.losing = false;
            tracing::error!(target: "lockgate::policy", lost = self.lost, "decisions are being logged again; `lost` is how many were not, of all so far");
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `busy` holds, so long at most.
    fn wait<'a>(
        &self,
        mut queue: MutexGuard<'a, Queue>,
        time: Duration,
        busy: impl Fn(&Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        let until = Instant::now() + time;
        while busy(&queue) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue = self
                .emptied
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        queue
    }

    /// The writer's life.
    fn write(&self, mut sink: Sink) {
        let mut whole = true;
        let mut queue = self.queue();
        loop {
            if let Some(file) = queue.reopened.take() {
                sink = Sink::File(file);
                whole = true;
            }
            if queue.bytes.is_empty() {
                if queue.ended {
                    return;
                }
                queue = self
                    .filled
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let bytes = std::mem::take(&mut queue.bytes);
            let lines = std::mem::take(&mut queue.lines);
            let last = queue.accepted;
            queue.writing = true;
            drop(queue);
            // What was left unfinished is ended, so that only that one line is broken.
            let outcome = match whole {
                true => Ok(()),
                false => sink.append(b"\n").1,
            };
            let (written, outcome) = match outcome {
                Ok(()) => {
                    whole = true;
                    sink.append(&bytes)
                }
                Err(error) => (0, Err(error)),
            };
            if written > 0 {
                whole = bytes[written - 1] == b'\n';
            }
            queue = self.queue();
            queue.writing = false;
            match outcome {
                Ok(()) => {
                    queue.recover();
                    queue.settle(last, 0);
                }
                Err(error) => {
                    let done = bytes[..written]
                        .iter()
                        .filter(|&&byte| byte == b'\n')
                        .count();
                    let lost = lines.saturating_sub(done as u64);
                    queue.lose(lost, &error.to_string());
                    queue.settle(last, lost);
                }
            }
            self.emptied.notify_all();
        }
    }
}

/// What is written to.
enum Sink {
    File(File),
    Stderr,
}

impl Sink {
    /// Writes, and says how many bytes of it were.
    fn append(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < bytes.len() {
            let rest = &bytes[written..];
            let outcome = match self {
                Sink::File(file) => file.write(rest),
                Sink::Stderr => io::stderr().write(rest),
            };
            match outcome {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Not waited for: a pipe without a reader would hold the start up.
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOCTTY
        | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn at(path: &Path) -> DecisionLog {
        DecisionLog::open(LogTarget::File(path.to_owned())).expect("opened")
    }

    #[test]
    fn lines_are_written_in_order_to_a_file_of_this_user_only() {
        let home = tempfile::tempdir().expect("temporary directory");
        let path = home.path().join("log");
        for part in ["a", "b"] {
            let log = at(&path);
            for number in 0..1000 {
                log.add(format!("{part}{number}\n").as_bytes());
            }
        }
        let wanted: String = ["a", "b"]
            .iter()
            .flat_map(|part| (0..1000).map(move |number| format!("{part}{number}\n")))
            .collect();
        assert_eq!(std::fs::read_to_string(&path).expect("written"), wanted);
        assert_eq!(
            std::fs::metadata(&path).expect("made").mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_log_that_was_moved_is_begun_anew_when_it_is_opened_again() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (path, moved) = (home.path().join("log"), home.path().join("log.1"));
        let log = at(&path);
        log.add(b"one\n");
        drop(
            log.shared
                .wait(log.shared.queue(), Duration::from_secs(60), |queue| {
                    queue.writing || !queue.bytes.is_empty()
                }),
        );
        std::fs::rename(&path, &moved).expect("moved");
        log.reopen().expect("opened again");
        log.add(b"two\n");
        drop(log);
        let text = |path| std::fs::read_to_string(path).expect("a log");
        assert_eq!(
            (text(&moved), text(&path)),
            ("one\n".to_owned(), "two\n".to_owned())
        );
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted() {
        let mut sink = Sink::File(
            File::options()
                .write(true)
                .open("/dev/full")
                .expect("always full"),
        );
        let (written, outcome) = sink.append(b"line\n");
        assert_eq!((written, outcome.is_err()), (0, true));
        let shared = Arc::new(Shared::default());
        {
            let mut queue = shared.queue();
            queue.bytes = b"one\ntwo\n".to_vec();
            queue.lines = 2;
            queue.ended = true;
        }
        shared.write(sink);
        let queue = shared.queue();
        assert_eq!((queue.lost, queue.losing), (2, true));
    }

    #[test]
    fn where_nothing_can_be_written_lines_are_given_up_after_a_moment_and_counted() {
        let shared = Arc::new(Shared::default());
        let log = DecisionLog {
            target: LogTarget::Stderr,
            shared: shared.clone(),
        };
        let line = vec![b'x'; limits::LOG_QUEUE_BYTES / 2];
        // Nobody writes: two fit, the third waits, the fourth does not wait again.
        for _ in 0..4 {
            log.add(&line);
        }
        assert_eq!(log.report().lost, 2);
        shared.queue().bytes.clear();
    }

    #[test]
    fn who_waits_for_a_line_hears_whether_it_was_written() {
        let home = tempfile::tempdir().expect("temporary directory");
        let path = home.path().join("log");
        let log = at(&path);
        assert_eq!(log.add_surely(b"one\n"), Ok(()));
        assert_eq!(std::fs::read_to_string(&path).expect("written"), "one\n");
        let full = DecisionLog::on_a_full_disk();
        for _ in 0..2 {
            full.add(b"one\n");
            assert_eq!(full.add_surely(b"two\n"), Err(NotLogged));
        }
        let queue = full.shared.queue();
        assert_eq!((queue.awaited.len(), queue.refused.len()), (0, 0));
    }

    #[test]
    fn of_lines_that_were_written_in_part_the_last_ones_are_lost() {
        let mut queue = Queue {
            awaited: BTreeSet::from([3, 5, 7, 9]),
            ..Queue::default()
        };
        queue.settle(8, 2);
        assert_eq!(queue.awaited, BTreeSet::from([9]));
        assert_eq!(queue.refused, BTreeSet::from([7]));
    }

    #[test]
    fn only_a_regular_file_is_a_log() {
        assert!(open(Path::new("/dev/null")).is_err());
        assert!(open(Path::new("/")).is_err());
    }
}
