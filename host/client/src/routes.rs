//! Where to what the server tells goes: events to those who follow a process, changes to watches, pieces to bodies.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lockgate_wire::http::BodyDeltaNotification;
use lockgate_wire::lockgate::watch::ChangedNotification;
use lockgate_wire::{Method, ProcessId};

use crate::events::Event;
use crate::http::{self, Pushed};
use crate::queue::Queue;
use crate::{ClientError, watch};

/// What begins with a call. It is told of from the moment at which the call has its place on a link.
pub(crate) enum Begins<'a> {
    Nothing,
    Process(&'a ProcessId, &'a Arc<Queue>),
    Watch(&'a str, watch::Route),
    Body(&'a str, http::Route),
}

/// Those who follow one process; shared, because each of its events asks for them.
pub(crate) type Readers = Arc<[Arc<Queue>]>;

/// All that is told of.
#[derive(Default)]
pub(crate) struct Routes {
    processes: HashMap<ProcessId, Readers>,
    watches: HashMap<String, watch::Route>,
    bodies: HashMap<String, http::Route>,
    /// Processes that may run and that nobody follows: the answers to their starts were lost.
    unclaimed: Vec<ProcessId>,
    last_http: u64,
}

impl Routes {
    /// What the server tells of it goes there from now on. Returns the process that starts, if one does.
    pub(crate) fn begin(&mut self, begins: Begins<'_>) -> Result<Option<ProcessId>, ClientError> {
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
                self.processes
                    .insert(id.clone(), [Arc::clone(queue)].into());
                return Ok(Some(id.clone()));
            }
            Begins::Watch(id, route) => {
                if self.watches.contains_key(id) {
                    let reason = format!("there is a watch `{id}` already");
                    return Err(in_use(Method::LockgateFsWatch, reason));
                }
                self.watches.insert(id.to_owned(), route);
            }
            Begins::Body(name, route) => {
                self.bodies.insert(name.to_owned(), route);
            }
        }
        Ok(None)
    }

    /// A link is lost, and what ends with it: watches, bodies, which are returned, and processes that were starting.
    pub(crate) fn lose<'a>(
        &mut self,
        starting: impl Iterator<Item = &'a ProcessId>,
    ) -> Vec<http::Route> {
        for process in starting {
            // Whoever wanted it is told that nobody knows whether there is one.
            self.processes.remove(process);
            self.unclaimed.push(process.clone());
        }
        self.watches.clear();
        self.bodies.drain().map(|(_, body)| body).collect()
    }

    /// Events of `process` go into `queue` as well, from now on.
    pub(crate) fn follow(&mut self, process: &ProcessId, queue: &Arc<Queue>) {
        let readers = self.processes.entry(process.clone()).or_default();
        *readers = readers.iter().chain([queue]).cloned().collect();
    }

    /// And no longer.
    pub(crate) fn unfollow(&mut self, process: &ProcessId, queue: &Arc<Queue>) {
        if let Some(readers) = self.processes.get_mut(process) {
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

    /// Those who follow this one.
    pub(crate) fn readers(&self, process: &ProcessId) -> Option<Readers> {
        self.processes.get(process.as_str()).cloned()
    }

    /// Processes to be ended, because nobody knows of them.
    pub(crate) fn unclaimed(&self) -> Vec<ProcessId> {
        self.unclaimed.clone()
    }

    /// That one has been ended.
    pub(crate) fn claim(&mut self, process: &ProcessId) {
        self.unclaimed.retain(|other| other != process);
    }

    pub(crate) fn changed(&self, changed: ChangedNotification) {
        // One that was ended here may still be told of.
        if let Some(route) = self.watches.get(&changed.watch_id) {
            route.push(changed);
        }
    }

    /// Ends what is told of the watch with this flag, which is another one's name by now, perhaps.
    pub(crate) fn unwatch(&mut self, watch_id: &str, lost: &Arc<AtomicBool>) {
        let route = self.watches.get(watch_id);
        if route.is_some_and(|route| route.is_of(lost)) {
            self.watches.remove(watch_id);
        }
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

/// Tells those who follow a process what happened to it.
pub(crate) fn tell(readers: &Readers, seq: u64, event: Event) {
    if let Some((last, others)) = readers.split_last() {
        for queue in others {
            queue.push(seq, event.clone());
        }
        last.push(seq, event);
    }
}
