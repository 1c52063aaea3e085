//! Who is connected, and whose each stream is.

mod members;
mod seat;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lockgate_relay::noise::PublicKeys;
use lockgate_relay::registry::EnvironmentId;
use serde::{Deserialize, Serialize};

pub(crate) use self::members::Way;
use self::members::{Environment, Member, Path};
pub(crate) use self::seat::Seat;
use crate::clock::seconds;
use crate::large::Turns;
use crate::limits;
use crate::outlet::{Close, Outlet};
use crate::signed::{Pass, Side};

/// Names one websocket.
pub(crate) type LinkId = u64;

/// Everything that is connected to this rendezvous.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    environments: Mutex<HashMap<EnvironmentId, Arc<Environment>>>,
    /// Connections by tenant.
    tenants: Mutex<HashMap<String, usize>>,
    next_link: AtomicU64,
    draining: AtomicBool,
}

/// An executor that takes encrypted streams.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    /// Names the registration.
    pub(crate) id: String,
    /// Whom harnesses have to meet.
    pub(crate) keys: PublicKeys,
}

/// Who is there for a harness.
#[derive(Clone, Debug)]
pub(crate) enum There {
    Nobody,
    /// An executor that takes streams as they are.
    Plain,
    Encrypted(Registered),
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    #[error("the rendezvous is being restarted; connect again")]
    Draining,
    #[error("the tenant has as many connections as it may have")]
    Tenant,
    #[error("the environment has as many harnesses as it may have")]
    Harnesses,
    #[error("the registration is not known, or was used before: register again")]
    NotRegistered,
}

/// Where a connection counts for its tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted<'a> {
    /// Here, and there may be so many.
    Here { tenant: &'a str, most: usize },
    /// At the node where its websocket is.
    Elsewhere,
}

/// One environment in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Presence {
    pub(crate) environment_id: String,
    /// Its executor is connected.
    pub(crate) connected: bool,
    /// Since when, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<u64>,
    pub(crate) harnesses: usize,
    pub(crate) streams: usize,
}

impl Hub {
    /// Takes a place for whoever holds this pass. An executor takes that of the one before it.
    pub(crate) fn join(
        self: &Arc<Self>,
        pass: &Pass,
        counted: Counted<'_>,
    ) -> Result<Seat, NoPlace> {
        if self.draining.load(Ordering::Acquire) {
            return Err(NoPlace::Draining);
        }
        let link = self.next_link.fetch_add(1, Ordering::Relaxed);
        let outlet = Arc::new(Outlet::default());
        let environment = {
            let mut all = lock(&self.environments);
            Arc::clone(all.entry(pass.environment.clone()).or_default())
        };
        let tenant = match counted {
            Counted::Elsewhere => None,
            Counted::Here { tenant, most } => {
                let mut tenants = lock(&self.tenants);
                let count = tenants.entry(tenant.to_owned()).or_default();
                if *count >= most {
                    return Err(NoPlace::Tenant);
                }
                *count += 1;
                Some(tenant.to_owned())
            }
        };
        let turns = environment.lock().turns[usize::from(pass.side == Side::Harness)].clone();
        // From here on leaving gives the place back.
        let mut seat = Seat {
            small_frames: false,
            hub: Arc::clone(self),
            environment,
            id: pass.environment.clone(),
            side: pass.side,
            link,
            token: pass.token.clone(),
            tenant,
            uplink: None,
            announced: None,
            outlet: Arc::clone(&outlet),
            turns,
        };
        let mut member = Member {
            link,
            outlet,
            token: pass.token.clone(),
            since: seconds(),
            registered: None,
            way: Path::Here,
        };
        let mut members = seat.environment.lock();
        match pass.side {
            Side::Executor => {
                let all = &mut members.registrations;
                let found = all.iter().position(|known| known.id == pass.registration);
                member.registered = found.and_then(|place| all.remove(place));
                // Used before, or made by a process that is gone: to take it for one without keys would be a downgrade.
                if pass.encrypts && member.registered.is_none() {
                    drop(members);
                    return Err(NoPlace::NotRegistered);
                }
                members.encrypts = pass.encrypts;
                let keys = member.registered.as_ref();
                let keys = keys.map(|registered| registered.keys.clone());
                if let Some(before) = members.executor.replace(member) {
                    before.outlet.close(Close::REPLACED);
                    members.executor_left();
                }
                members.executor_came(keys);
            }
            Side::Harness if members.harnesses.len() >= limits::HARNESSES => {
                drop(members);
                return Err(NoPlace::Harnesses);
            }
            Side::Harness => {
                members.harnesses.insert(link, member);
            }
        }
        let encrypts = members.encrypts;
        drop(members);
        seat.small_frames = encrypts;
        // Who joined while draining began would not be told.
        if self.draining.load(Ordering::Acquire) {
            return Err(NoPlace::Draining);
        }
        Ok(seat)
    }

    /// Remembers the keys of an executor that is about to connect.
    pub(crate) fn register(&self, id: &EnvironmentId, registered: Registered) {
        let environment = {
            let mut all = lock(&self.environments);
            Arc::clone(all.entry(id.clone()).or_default())
        };
        let mut members = environment.lock();
        if members.registrations.len() >= limits::REGISTRATIONS {
            members.registrations.pop_front();
        }
        members.registrations.push_back(registered);
    }

    /// Who is connected for this environment.
    pub(crate) fn who(&self, id: &EnvironmentId) -> There {
        let environment = lock(&self.environments).get(id).cloned();
        let members = environment.as_ref().map(|environment| environment.lock());
        match members
            .as_ref()
            .and_then(|members| members.executor.as_ref())
        {
            None => There::Nobody,
            Some(executor) => match &executor.registered {
                None => There::Plain,
                Some(registered) => There::Encrypted(registered.clone()),
            },
        }
    }

    /// How it stands with these environments.
    pub(crate) fn presence(&self, ids: impl Iterator<Item = EnvironmentId>) -> Vec<Presence> {
        let look = |id: EnvironmentId| {
            let environment = lock(&self.environments).get(&id).cloned();
            let members = environment.as_ref().map(|environment| environment.lock());
            let executor = members
                .as_ref()
                .and_then(|members| members.executor.as_ref());
            Presence {
                environment_id: id.to_string(),
                connected: executor.is_some(),
                since: executor.map(|executor| executor.since),
                harnesses: members
                    .as_ref()
                    .map_or(0, |members| members.harnesses.len()),
                streams: members.as_ref().map_or(0, |members| members.streams.len()),
            }
        };
        ids.map(look).collect()
    }

    /// The turns of large frames that come from this environment's executor.
    pub(crate) fn turns_down(&self, id: &EnvironmentId) -> Turns {
        let mut all = lock(&self.environments);
        let environment = all.entry(id.clone()).or_default();
        environment.lock().turns[0].clone()
    }

    /// Another node has an executor of this environment now, in the place of this one.
    pub(crate) fn replaced(&self, id: &EnvironmentId, link: LinkId) {
        if let Some(environment) = lock(&self.environments).get(id).cloned()
            && let Some(executor) = &environment.lock().executor
            && executor.link == link
        {
            executor.outlet.close(Close::REPLACED);
        }
    }

    /// The executor of this environment has come to a node, or to this one: harnesses whose way leads elsewhere have to find another one.
    pub(crate) fn moved(&self, id: &EnvironmentId, node: Option<&str>) {
        let environment = lock(&self.environments).get(id).cloned();
        if let Some(environment) = environment {
            for harness in environment.lock().harnesses.values() {
                let leads_there = match &harness.way {
                    Path::Here => node.is_none(),
                    Path::Sought => true,
                    Path::By(other) => node == Some(other),
                };
                if !leads_there {
                    harness.outlet.close(Close::MOVED);
                }
            }
        }
    }

    /// Environments whose harnesses wait here for an executor, and have no way to another node.
    pub(crate) fn stranded(&self) -> Vec<EnvironmentId> {
        let all = lock(&self.environments);
        let waits = |environment: &Environment| {
            let members = environment.lock();
            let mut harnesses = members.harnesses.values();
            members.executor.is_none() && harnesses.any(|one| matches!(one.way, Path::Here))
        };
        let waiting = all.iter().filter(|(_, environment)| waits(environment));
        waiting.map(|(id, _)| id.clone()).collect()
    }

    /// Ends the links whose token is not good any more.
    pub(crate) fn revoke(&self, is_good: impl Fn(&str) -> bool) {
        for environment in self.all() {
            let members = environment.lock();
            for member in members.executor.iter().chain(members.harnesses.values()) {
                if !is_good(&member.token) {
                    member.outlet.close(Close::REVOKED);
                }
            }
        }
    }

    /// Forgets streams whose harness is long gone, and environments in which nobody is.
    pub(crate) fn tidy(&self, now: Instant) {
        for environment in self.all() {
            environment.lock().tidy(now);
        }
        lock(&self.environments).retain(|_, environment| {
            // Nobody else can be about to join: that needs the lock held here.
            Arc::strong_count(environment) > 1 || !environment.lock().is_empty()
        });
    }

    /// From now on nobody joins, and everybody is asked to come back later.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        for environment in self.all() {
            let members = environment.lock();
            for member in members.executor.iter().chain(members.harnesses.values()) {
                member.outlet.close(Close::RESTART);
            }
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// How many are connected.
    pub(crate) fn connected(&self) -> usize {
        lock(&self.tenants).values().sum()
    }

    fn all(&self) -> Vec<Arc<Environment>> {
        lock(&self.environments).values().cloned().collect()
    }
}

/// What is behind it. A panic under the lock leaves nothing half done that the next one could not go on with.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
