//! The processes of a session: what they wrote since somebody looked, and how they ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_client::{ClientError, Event, Process, ProcessHandle};
use lockgate_wire::Method;
use lockgate_wire::process::Stream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::answer::Refusal;
use super::deed;
use super::limits;
use super::output::Kept;

/// The processes that a session knows.
#[derive(Default)]
pub(super) struct Processes(Mutex<Table>);

#[derive(Default)]
struct Table {
    jobs: HashMap<String, Arc<Job>>,
    /// Those that have room and are not among them yet.
    starting: usize,
}

/// Room for a process that is being started.
pub(super) struct Room<'a>(&'a Processes);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.table().starting -= 1;
    }
}

/// One process, from its start until its last output has been told.
pub(super) struct Job {
    pub(super) name: String,
    /// How it was started, as somebody who is asked reads it.
    pub(super) command: String,
    pub(super) handle: ProcessHandle,
    pub(super) started: Instant,
    /// When a call last asked for it.
    asked_for: Mutex<Instant>,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    reader: Mutex<Option<AbortHandle>>,
}

/// What is known of a process.
#[derive(Default)]
pub(super) struct State {
    pub(super) stdout: Kept,
    pub(super) stderr: Kept,
    /// Its exit code, once that is known.
    pub(super) exit_code: Option<i32>,
    /// Nothing more will come.
    pub(super) closed: bool,
    /// Why nothing more is known of it.
    pub(super) failure: Option<String>,
    /// Pieces of output that the executor no longer had.
    pub(super) lost: u64,
    /// It was ended because its time was over.
    pub(super) timed_out: bool,
}

impl State {
    pub(super) fn is_running(&self) -> bool {
        self.exit_code.is_none() && self.failure.is_none() && !self.closed
    }

    /// Exited, with its output complete; or nothing more is known of it.
    pub(super) fn is_over(&self) -> bool {
        self.closed || self.failure.is_some()
    }

    pub(super) fn has_output(&self) -> bool {
        !self.stdout.is_empty() || !self.stderr.is_empty()
    }
}

impl Processes {
    /// A name that nobody guesses: whoever has the token of an HTTP server shares its processes only by their names.
    pub(super) fn new_name() -> String {
        let id = Uuid::new_v4().simple().to_string();
        format!("p-{}", &id[..12])
    }

    /// Room for another one. What has ended gives way, the oldest first.
    pub(super) fn make_room(&self) -> Result<Room<'_>, Refusal> {
        let mut table = self.table();
        if table.jobs.len() + table.starting >= limits::PROCESSES {
            let ended = table.jobs.values().filter(|job| job.state().is_over());
            let oldest = ended.min_by_key(|job| job.started);
            let Some(oldest) = oldest.map(|job| job.name.clone()) else {
                return Err(Refusal::new(format!(
                    "{} processes of this session are running already; stop one with process_stop",
                    limits::PROCESSES
                )));
            };
            table.jobs.remove(&oldest);
        }
        table.starting += 1;
        Ok(Room(self))
    }

    /// Follows a process that was started.
    pub(super) fn follow(&self, process: Process, argv: &[String], room: Room<'_>) -> Arc<Job> {
        let Process {
            handle, mut events, ..
        } = process;
        let job = Arc::new(Job {
            name: handle.id().to_string(),
            command: deed::command(argv),
            handle,
            started: Instant::now(),
            asked_for: Mutex::new(Instant::now()),
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            reader: Mutex::default(),
        });
        self.table().jobs.insert(job.name.clone(), Arc::clone(&job));
        drop(room);
        let reading = Arc::clone(&job);
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                reading.happened(event);
            }
        });
        *job.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        job
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<Job>, Refusal> {
        let job = self.table().jobs.get(name).cloned().ok_or_else(|| {
            Refusal::new(format!(
                "no process `{name}` in this session: handles come from `run`, and one is gone once its end has been told, and where there are no sessions \
                 (protocol 2026-07-28 over HTTP) when nobody has asked for it for an hour"
            ))
        })?;
        *job.asked_for() = Instant::now();
        Ok(job)
    }

    /// Ends those that nobody has asked for in that time: their clients may be gone without a word.
    pub(super) async fn end_left_alone(&self, time: Duration) {
        let left_alone: Vec<_> = {
            let mut table = self.table();
            let now = Instant::now();
            let is_left = |job: &Job| is_left_alone(*job.asked_for(), now, time);
            table.jobs.extract_if(|_, job| is_left(job)).collect()
        };
        let ending = left_alone.into_iter().map(|(_, job)| async move {
            job.kill().await;
            job.stop_reading();
        });
        futures_util::future::join_all(ending).await;
    }

    /// Whether one runs, or is being started.
    pub(super) fn are_running(&self) -> bool {
        let table = self.table();
        table.starting > 0 || table.jobs.values().any(|job| job.state().is_running())
    }

    pub(super) fn forget(&self, name: &str) {
        self.table().jobs.remove(name);
    }

    /// Ends all of them.
    pub(super) async fn end(&self) {
        let all = std::mem::take(&mut self.table().jobs);
        let ending = all.into_values().map(|job| async move {
            job.kill().await;
            job.stop_reading();
        });
        futures_util::future::join_all(ending).await;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn asked_for(&self) -> MutexGuard<'_, Instant> {
        self.asked_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happened(&self, event: Event) {
        let mut state = self.state();
        match event {
            Event::Output { stream, data } => {
                let kept = match stream {
                    Stream::Stderr => &mut state.stderr,
                    _ => &mut state.stdout,
                };
                kept.push(&data, limits::MOST_BYTES);
            }
            Event::Exited { exit_code, .. } => state.exit_code = Some(exit_code),
            Event::Closed => state.closed = true,
            Event::Lost { count } => state.lost += count,
            Event::Failed(reason) => state.failure = Some(reason),
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Waits until that holds, at most until then. Whether it holds.
    pub(super) async fn until(&self, deadline: Instant, holds: impl Fn(&State) -> bool) -> bool {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if holds(&self.state()) {
                return true;
            }
            if !matches!(timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return holds(&self.state());
            }
        }
    }

    /// Asks it to end, and what it left in the background and holds its output, and makes it end if it does not. Whether it had to be killed.
    pub(super) async fn stop(&self) -> Result<bool, Refusal> {
        if self.state().is_over() {
            return Ok(false);
        }
        if self.handle.client().has(Method::LockgateProcessSignal) {
            self.signal("TERM").await?;
            let deadline = Instant::now() + limits::GRACE;
            if self.until(deadline, State::is_over).await {
                return Ok(false);
            }
        }
        self.make_end().await?;
        Ok(true)
    }

    /// Ends it without further ado.
    pub(super) async fn kill(&self) {
        if !self.state().is_over() {
            // Fails where the connection is gone; its processes are, then.
            let _ = self.make_end().await;
        }
    }

    /// Kills it; once it has exited, what is left of its group.
    async fn make_end(&self) -> Result<(), Refusal> {
        if self.state().is_running() {
            self.handle.terminate().await?;
        } else if self.handle.client().has(Method::LockgateProcessSignal) {
            self.signal("KILL").await?;
        }
        Ok(())
    }

    /// A signal for its group. It may have ended meanwhile.
    async fn signal(&self, signal: &str) -> Result<(), Refusal> {
        match self.handle.signal(signal).await {
            Err(ClientError::Server { .. }) if !self.state().is_running() => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// Ends it if it still runs after that time, or what it left still holds its output.
    pub(super) fn end_after(self: &Arc<Self>, limit: Duration) {
        let job = Arc::clone(self);
        let end = job.started.checked_add(limit);
        tokio::spawn(async move {
            let Some(end) = end else { return };
            if !job.until(end, State::is_over).await {
                job.state().timed_out = true;
                // Fails where the connection is gone, and the process with it.
                let _ = job.stop().await;
            }
        });
    }

    fn stop_reading(&self) {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = reader.as_ref() {
            reader.abort();
        }
    }
}

/// A process that nobody has been told of yet: it ends with this.
pub(super) struct Untold {
    job: Option<Arc<Job>>,
}

impl Untold {
    pub(super) fn new(job: Arc<Job>) -> Untold {
        Untold { job: Some(job) }
    }

    /// Somebody knows of it from now on.
    pub(super) fn told(mut self) {
        self.job = None;
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        if let Some(job) = self.job.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { job.kill().await });
        }
    }
}

/// Whether nobody can be meant to come back for it. A call may wait for as long as it likes, and ask again only then.
fn is_left_alone(asked_for: Instant, now: Instant, time: Duration) -> bool {
    now.duration_since(asked_for) >= time + limits::MOST_WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_left_alone_only_when_no_call_can_be_waiting_for_it() {
        let time = limits::SESSION_IDLE;
        let asked_for = Instant::now();
        for (after, is_left) in [
            (Duration::ZERO, false),
            (time, false),
            (time + limits::MOST_WAIT - Duration::from_secs(1), false),
            (time + limits::MOST_WAIT, true),
        ] {
            assert_eq!(
                is_left_alone(asked_for, asked_for + after, time),
                is_left,
                "{after:?}"
            );
        }
    }
}
