//! Where to what the server tells goes: events to those who follow a process, changes to watches, pieces to bodies.

mod owed;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lockgate_wire::http::BodyDeltaNotification;
use lockgate_wire::lockgate::watch::ChangedNotification;
use lockgate_wire::{Method, ProcessId};

use crate::events::Event;
use crate::http::{self, Pushed};
use crate::queue::Queue;
use crate::{ClientError, missing, watch};

use owed::Owed;
pub(crate) use owed::Word;

/// What begins with a call. It is told of from the moment at which the call has its place on a link.
pub(crate) enum Begins<'a> {
    Nothing,
    Process(&'a ProcessId, &'a Arc<Queue>),
    Watch(&'a str, watch::Route),
    Missing(u64, missing::Route),
    Body(&'a str, http::Route),
    /// The other way round: the watch with this flag is to end, if it is still there.
    WatchEnds(&'a str, &'a Arc<AtomicBool>),
    /// A file that is open as long as its link is there, whose number is put here.
    Opens(&'a AtomicU64),
    /// No file, but what is done with one that was opened on that link. On another one it is not sent: a server would say that there is no such file.
    Uses(u64, Method),
}

/// A start whose message has its place on a link.
#[derive(Clone)]
pub(crate) struct Starting {
    pub(crate) process: ProcessId,
    /// One of that id runs, as far as is known, so that the server will refuse this one: what runs is not to be ended for it.
    pub(crate) is_taken: bool,
}

/// Those who follow one process; shared, because each of its events asks for them.
pub(crate) type Readers = Arc<[Arc<Queue>]>;

/// All that is told of.
#[derive(Default)]
pub(crate) struct Routes {
    processes: HashMap<ProcessId, Readers>,
    watches: HashMap<String, watch::Route>,
    /// By the numbers that were given here.
    missing: HashMap<u64, missing::Route>,
    bodies: HashMap<String, http::Route>,
    /// Processes that were started here and have not closed, as far as is known; whoever started them may have left them to themselves.
    running: HashSet<ProcessId>,
    /// What the server is still to be told of processes.
    pub(crate) owed: Owed,
    last_http: u64,
    last_missing: u64,
}

impl Routes {
    /// What the server tells of it goes there from now on, while this link is there. Returns the process that starts, if one does.
    pub(crate) fn begin(
        &mut self,
        begins: Begins<'_>,
        link: u64,
    ) -> Result<Option<Starting>, ClientError> {
        let in_use = |method: Method, reason: String| ClientError::Unsendable {
            what: method.name().to_owned(),
            reason,
        };
        match begins {
            Begins::Nothing => {}
            Begins::Process(id, queue) => {
                if self.processes.contains_key(id) {
                    let reason = format!("this client already follows a process `{id}`");
                    return Err(in_use(Method::ProcessStart, reason));
                }
                if self.owed.has(Word::End, id) {
                    let reason = format!(
                        "a start of `{id}` was given up, and what it came to is still being ended: use another id"
                    );
                    return Err(in_use(Method::ProcessStart, reason));
                }
                self.processes
                    .insert(id.clone(), [Arc::clone(queue)].into());
                return Ok(Some(Starting {
                    process: id.clone(),
                    is_taken: self.running.contains(id),
                }));
            }
            Begins::Watch(id, route) => {
                if self.watches.contains_key(id) {
                    let reason = format!("there is a watch `{id}` already");
                    return Err(in_use(Method::LockgateFsWatch, reason));
                }
                self.watches.insert(id.to_owned(), route);
            }
            Begins::Missing(number, route) => {
                self.missing.insert(number, route);
            }
            Begins::Body(name, route) => {
                self.bodies.insert(name.to_owned(), route);
            }
            Begins::Opens(on) => on.store(link, Ordering::Relaxed),
            Begins::Uses(on, _) if on == link => {}
            Begins::Uses(_, method) => return Err(went(method)),
            Begins::WatchEnds(id, lost) => {
                if !self.watches(id, lost) {
                    let reason = format!("the watch `{id}` has ended with its link");
                    return Err(in_use(Method::LockgateFsUnwatch, reason));
                }
            }
        }
        Ok(None)
    }

    /// A link is lost, and what ends with it: watches, bodies, which are returned, and processes that were starting.
    pub(crate) fn lose<'a>(
        &mut self,
        starting: impl Iterator<Item = &'a Starting>,
    ) -> Vec<http::Route> {
        for Starting { process, is_taken } in starting {
            // Whoever wanted it is told that nobody knows whether there is one.
            self.processes.remove(process);
            if !is_taken {
                self.owed.add(Word::End, process);
            }
        }
        self.owed.lose();
        self.watches.clear();
        self.missing.clear();
        self.bodies.drain().map(|(_, body)| body).collect()
    }

    /// Events of `process` go into `queue` as well, from now on.
    pub(crate) fn follow(&mut self, process: &ProcessId, queue: &Arc<Queue>) {
        let readers = self.processes.entry(process.clone()).or_default();
        *readers = readers.iter().chain([queue]).cloned().collect();
        // Somebody reads it again.
        self.owed.remove(Word::LetGo, process);
    }

    /// And no longer.
    pub(crate) fn unfollow(&mut self, process: &ProcessId, queue: &Arc<Queue>) {
        if let Some(readers) = self.processes.get_mut(process) {
            if queue.has_closed() {
                self.running.remove(process);
            }
            let others = readers.iter().filter(|other| !Arc::ptr_eq(other, queue));
            *readers = others.cloned().collect();
            if readers.is_empty() {
                self.processes.remove(process);
            }
        }
    }

    /// All processes that somebody follows, once for each who does.
    pub(crate) fn followed(&self) -> Vec<(ProcessId, Arc<Queue>)> {
        let all = self.processes.iter();
        all.flat_map(|(id, readers)| readers.iter().map(|queue| (id.clone(), Arc::clone(queue))))
            .collect()
    }

    /// Processes that run, as far as is known, and that nobody follows.
    pub(crate) fn left_to_themselves(&self) -> Vec<ProcessId> {
        let alone = |process: &&ProcessId| !self.processes.contains_key(process.as_str());
        self.running.iter().filter(alone).cloned().collect()
    }

    /// Those who follow this one.
    pub(crate) fn readers(&self, process: &ProcessId) -> Option<Readers> {
        self.processes.get(process.as_str()).cloned()
    }

    /// The number up to which all who follow it have read, if it may wait for that at the server: what was acknowledged there is not kept for anybody.
    pub(crate) fn read_by_all(&self, process: &ProcessId) -> Option<u64> {
        let readers = self.processes.get(process)?;
        if !readers.iter().any(|queue| queue.acknowledges()) {
            return None;
        }
        readers.iter().map(|queue| queue.last()).min()
    }

    /// A start has succeeded.
    pub(crate) fn runs(&mut self, process: &ProcessId) {
        self.running.insert(process.clone());
    }

    /// That one has closed, or been ended.
    pub(crate) fn is_over(&mut self, process: &ProcessId) {
        self.running.remove(process);
    }

    /// That one has been ended.
    pub(crate) fn claim(&mut self, process: &ProcessId) {
        self.owed.remove(Word::End, process);
        self.is_over(process);
    }

    pub(crate) fn changed(&self, changed: ChangedNotification) {
        // One that was ended here may still be told of.
        if let Some(route) = self.watches.get(&changed.watch_id) {
            route.push(changed);
        }
    }

    /// Whether the watch with this flag is there: its name may be another one's by now.
    pub(crate) fn watches(&self, watch_id: &str, lost: &Arc<AtomicBool>) -> bool {
        let route = self.watches.get(watch_id);
        route.is_some_and(|route| route.is_of(lost))
    }

    /// Ends what is told of that one.
    pub(crate) fn unwatch(&mut self, watch_id: &str, lost: &Arc<AtomicBool>) {
        if self.watches(watch_id, lost) {
            self.watches.remove(watch_id);
        }
    }

    /// A number for paths that are waited for that no others of this connection have.
    pub(crate) fn missing_number(&mut self) -> u64 {
        self.last_missing += 1;
        self.last_missing
    }

    /// Something may be where it was waited for, or nobody waits any more: it is not told of again.
    pub(crate) fn found(&mut self, number: u64) -> Option<missing::Route> {
        self.missing.remove(&number)
    }

    /// A name for an HTTP request that no other of this connection has.
    pub(crate) fn http_name(&mut self) -> String {
        self.last_http += 1;
        format!("http-{}", self.last_http)
    }

    /// A piece of a body. None where nobody listens to it any more.
    pub(crate) fn body(&mut self, delta: BodyDeltaNotification) -> Option<Pushed> {
        let name = delta.request_id.clone();
        let is_last = delta.done;
        let pushed = self.bodies.get_mut(&name)?.push(delta);
        if is_last || matches!(pushed, Pushed::Over) {
            self.bodies.remove(&name);
        }
        Some(pushed)
    }

    pub(crate) fn stop_listening(&mut self, name: &str) {
        self.bodies.remove(name);
    }
}

/// What comes of a call about a file that was open on a link which is lost.
pub(crate) fn went(method: Method) -> ClientError {
    ClientError::Interrupted {
        what: method.name().to_owned(),
        why: "the file was open on the link before, and went with it".to_owned(),
    }
}

/// Tells those who follow a process what happened to it; `is_open` says whether the connection may wait for them.
pub(crate) fn tell(readers: &Readers, seq: u64, event: Event, is_open: bool) {
    if let Some((last, others)) = readers.split_last() {
        for queue in others {
            queue.push(seq, event.clone(), is_open);
        }
        last.push(seq, event, is_open);
    }
}
