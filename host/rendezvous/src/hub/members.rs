//! Who is connected to one environment, and where its frames go.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use bytes::Bytes;
use lockgate_relay::noise::PublicKeys;
use lockgate_relay::{Acks, Address, Body, Frame, Reason, StreamId};

use super::{LinkId, Registered, lock};
use crate::large::Turns;
use crate::limits;
use crate::outlet::Outlet;

#[derive(Debug, Default)]
pub(super) struct Environment(Mutex<Members>);

#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) executor: Option<Member>,
    pub(super) harnesses: HashMap<LinkId, Member>,
    pub(super) streams: HashMap<StreamId, Route>,
    /// Registered, and not connected yet.
    pub(super) registrations: VecDeque<Registered>,
    /// The executor that is or was there takes encrypted streams.
    pub(super) encrypts: bool,
    /// The keys of the executor that is or was there: whom streams belong to.
    keys: Option<PublicKeys>,
    /// Of large frames that come from the executor, and from harnesses.
    pub(super) turns: [Turns; 2],
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) link: LinkId,
    pub(super) outlet: Arc<Outlet>,
    pub(super) token: String,
    pub(super) since: u64,
    /// An executor's keys, if its streams are encrypted.
    pub(super) registered: Option<Registered>,
    /// A harness's way to its executor.
    pub(super) way: Path,
}

/// A harness's way to its executor.
#[derive(Debug)]
pub(super) enum Path {
    /// None: its executor is here, or nowhere.
    Here,
    /// Other nodes are being asked.
    Sought,
    /// Over this node.
    By(String),
}

/// Whose a stream is.
#[derive(Debug)]
pub(super) struct Route {
    /// Whose harness opened it: nobody else may use its name.
    token: String,
    harness: Result<LinkId, Left>,
    /// Its harness never acknowledged anything, so it cannot resume.
    plain: bool,
    /// Nor did its executor, as far as that was heard.
    plain_executor: Option<bool>,
}

impl Route {
    /// It ends with the connection of its executor.
    fn ends_with_executor(&self) -> bool {
        self.plain || self.plain_executor == Some(true)
    }
}

/// When its harness left.
pub(super) type Left = Instant;

/// Where a frame goes.
#[derive(Debug)]
pub(crate) enum Way {
    /// There, once there is room.
    Wait(Arc<Outlet>, usize),
    /// There; without room it is dropped, for it will be sent again.
    Drop(Arc<Outlet>, usize),
    /// There; who takes too long to make room is given up, because others wait.
    Stall(Arc<Outlet>, usize),
    /// Back to its sender: a frame of ours.
    Back(Bytes),
    /// Nowhere.
    Nowhere,
}

impl Environment {
    pub(super) fn lock(&self) -> MutexGuard<'_, Members> {
        lock(&self.0)
    }
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.executor.is_none()
            && self.harnesses.is_empty()
            && self.streams.is_empty()
            && self.registrations.is_empty()
    }

    pub(super) fn route_to_executor(
        &mut self,
        link: LinkId,
        token: &str,
        address: &Address,
    ) -> Way {
        let is_plain = address.acks == Acks::PLAIN;
        let is_known = self.streams.contains_key(&address.stream);
        // A place is taken by what begins a stream, or goes on with one that this process does not know yet.
        if !is_known && !address.begins {
            return Way::Nowhere;
        }
        if !is_known {
            let own = |route: &&Route| route.harness == Ok(link);
            if self.streams.len() >= limits::STREAMS
                || self.streams.values().filter(own).count() >= limits::LINK_STREAMS
            {
                return Way::Back(reset(&address.stream, "too many streams"));
            }
        }
        let Some(executor) = &self.executor else {
            // Who can resume waits for the executor to come back.
            return if is_plain {
                Way::Back(reset(&address.stream, "the executor is not connected"))
            } else {
                Way::Nowhere
            };
        };
        let way = Way::Wait(Arc::clone(&executor.outlet), limits::EXECUTOR_QUEUE);
        let route = match self.streams.entry(address.stream.clone()) {
            Entry::Vacant(place) => place.insert(Route {
                token: token.to_owned(),
                harness: Ok(link),
                plain: true,
                plain_executor: None,
            }),
            Entry::Occupied(place) => place.into_mut(),
        };
        if route.token != token {
            return Way::Nowhere;
        }
        route.harness = Ok(link);
        route.plain &= is_plain;
        if address.is_reset {
            self.streams.remove(&address.stream);
        }
        way
    }

    pub(super) fn route_to_harness(&mut self, link: LinkId, address: &Address) -> Way {
        // One that was replaced has no say.
        if self
            .executor
            .as_ref()
            .is_none_or(|executor| executor.link != link)
        {
            return Way::Nowhere;
        }
        let Some(route) = self.streams.get_mut(&address.stream) else {
            return Way::Nowhere;
        };
        if !address.is_reset {
            let is_plain = address.acks == Acks::PLAIN;
            route.plain_executor = Some(is_plain && route.plain_executor != Some(false));
        }
        let harness = route
            .harness
            .ok()
            .and_then(|link| self.harnesses.get(&link));
        let way = match harness {
            Some(harness) if route.plain => {
                Way::Stall(Arc::clone(&harness.outlet), limits::PLAIN_QUEUE)
            }
            Some(harness) => Way::Drop(Arc::clone(&harness.outlet), limits::HARNESS_QUEUE),
            None => Way::Nowhere,
        };
        if address.is_reset {
            self.streams.remove(&address.stream);
        }
        way
    }

    /// Streams that cannot resume are over, and their harnesses are told.
    pub(super) fn executor_left(&mut self) {
        let harnesses = &self.harnesses;
        self.streams.retain(|id, route| {
            let is_over = route.ends_with_executor();
            if is_over
                && let Ok(link) = route.harness
                && let Some(harness) = harnesses.get(&link)
            {
                harness.outlet.push(reset(id, "the executor is gone"));
            }
            !is_over
        });
    }

    /// It may be another process than before, which knows nothing of these streams. Keys are made anew at each start, so others say that for sure. Without keys a
    /// question makes harnesses speak, and the executor's answer says whether their stream goes on; by themselves they would find out at their next heartbeat.
    pub(super) fn executor_came(&mut self, keys: Option<PublicKeys>) {
        let is_another = self.keys != keys;
        self.keys = keys;
        for (id, route) in &self.streams {
            let harness = route.harness.ok();
            let Some(harness) = harness.and_then(|link| self.harnesses.get(&link)) else {
                continue;
            };
            if is_another {
                harness
                    .outlet
                    .push(reset(id, "the executor was started again"));
            } else if route.plain_executor == Some(false)
                && !harness.outlet.is_above(limits::PLAIN_QUEUE)
            {
                harness.outlet.push(question(id));
            }
        }
        if is_another {
            self.streams.clear();
        }
    }

    pub(super) fn harness_left(&mut self, link: LinkId) {
        self.harnesses.remove(&link);
        let executor = &self.executor;
        let now = Instant::now();
        self.streams.retain(|id, route| {
            if route.harness != Ok(link) {
                return true;
            }
            route.harness = Err(now);
            // Who does not read is told no more: its streams end with its connection.
            if route.plain
                && let Some(executor) = executor
                && !executor.outlet.is_above(limits::RESETS_QUEUE)
            {
                executor.outlet.push(reset(id, "the harness is gone"));
            }
            !route.plain
        });
    }

    pub(super) fn tidy(&mut self, now: Instant) {
        let executor = &self.executor;
        self.streams.retain(|id, route| match route.harness {
            Err(left) if now >= left + limits::STREAM_MEMORY => {
                if let Some(executor) = executor
                    && !executor.outlet.is_above(limits::RESETS_QUEUE)
                {
                    executor
                        .outlet
                        .push(reset(id, "the harness did not come back"));
                }
                false
            }
            _ => true,
        });
    }
}

/// A frame that wants to be answered.
fn question(stream: &StreamId) -> Bytes {
    Frame {
        stream: stream.clone(),
        acks: Acks::PLAIN,
        body: Body::Heartbeat,
    }
    .encode()
}

/// A frame that ends a stream. Either end would find out by itself, later.
fn reset(stream: &StreamId, words: &str) -> Bytes {
    Frame {
        stream: stream.clone(),
        acks: Acks::PLAIN,
        body: Body::Reset(Reason::shortened(words)),
    }
    .encode()
}
