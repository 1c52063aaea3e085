//! Which executors a harness has to choose from, and the connections to them.
//!
//! A [`Provider`] says what there is: a file, or a variable ([`provider::source`]). [`Environments`] is that, at work: each
//! [`Environment`] connects when it is first used, more can be added, and a new snapshot of the provider changes only what differs, such as
//! that of a file that is followed ([`Environments::follow`]).
//! [`Selection`] is what one session chose of them.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use lockgate_client::environments::config::{Program, Reach};
//! use lockgate_client::environments::provider::{self, Source};
//! use lockgate_client::environments::{Environments, Selected, Selection, Setup};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let source = provider::source(|name| std::env::var_os(name));
//! let local = Program {
//!     program: "lockgate".into(),
//!     args: ["serve", "--listen", "stdio"].map(String::from).into(),
//!     ..Program::default()
//! };
//! let setup = Setup { local: Some(Reach::Program(local)), ..Setup::default() };
//! let environments = Arc::new(Environments::new(&source, setup)?);
//! // Kept as long as changes of the file are to be taken up.
//! let _following = match source {
//!     Source::File(file) => Some(environments.follow(file)),
//!     _ => None,
//! };
//!
//! let mut session = Selection::default();
//! session.choose(&environments, vec![Selected::new("box")])?;
//! for place in session.of_turn(&environments, None)? {
//!     let client = place.environment.client().await?;
//!     println!("{}: {:?}", place.environment.id(), client.environment());
//! }
//! environments.close().await;
//! # Ok(())
//! # }
//! ```

pub mod config;
mod connector;
mod environment;
mod follow;
mod nearest;
pub mod provider;
mod registered;
mod selection;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use config::EnvironmentError;
use config::{Config, Entry, LOCAL, NONE, Reach};
pub use connector::Connector;
pub use environment::Environment;
pub use follow::{Followed, Following};
pub use provider::Provider;
pub use registered::{Registered, TokenFrom};
pub use selection::{Place, Selected, Selection};

use crate::{ConnectOptions, limits};

/// What an embedder brings.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The executor of this host, such as the program `lockgate serve --listen stdio`, or one in this process (`lockgate-local`). Without one [`LOCAL`] is there and cannot
    /// be connected to.
    pub local: Option<Reach>,
    /// For all connections. What the entry of an environment says of its timeouts takes the place of these; a session to resume is none
    /// that several could share, and is left out.
    pub connect: ConnectOptions,
}

/// All executors there are. Dropped, it ends the connections that nobody uses any more, and the programs behind them.
#[derive(Debug)]
pub struct Environments {
    setup: Setup,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last snapshot.
    config: Config,
    /// This host first, then in the order of the snapshot, then in that in which they were added.
    all: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    environment: Arc<Environment>,
    /// At run time, and not by a snapshot.
    added: bool,
}

/// What the tools of a harness may be offered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Commands can be run.
    pub execution: bool,
    /// Files can be worked with.
    pub files: bool,
}

/// What a new snapshot changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Ids that were not there.
    pub added: Vec<String>,
    /// Ids that are reached otherwise now. Who uses such a one goes on with the old connection until it lets go of it.
    pub replaced: Vec<String>,
    /// Ids that are not there any more; the same holds for their users.
    pub removed: Vec<String>,
    /// Whether there is another default, or none, or one again.
    pub default: bool,
}

impl Changes {
    /// Nothing is different.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

impl Environments {
    /// What `provider` says now, under the rules of a file for ids and the default. Nothing is connected to.
    pub fn new(provider: &dyn Provider, setup: Setup) -> Result<Environments, EnvironmentError> {
        let environments = Environments {
            setup,
            state: Mutex::new(State {
                config: Config {
                    default: None,
                    include_local: false,
                    environments: Vec::new(),
                    starts_all: false,
                },
                all: Vec::new(),
            }),
        };
        let snapshot = provider.snapshot()?;
        config::check(&snapshot)?;
        environments.apply(snapshot);
        Ok(environments)
    }

    /// The one of that id.
    pub fn get(&self, id: &str) -> Option<Arc<Environment>> {
        self.state().get(id)
    }

    /// The one that is used where none is named; `None` when execution is disabled.
    pub fn default(&self) -> Option<Arc<Environment>> {
        let state = self.state();
        state.get(state.config.default.as_deref()?)
    }

    /// The one of that id, or the default; an error says what there is.
    pub fn resolve(&self, id: Option<&str>) -> Result<Arc<Environment>, EnvironmentError> {
        let Some(id) = id else {
            return self.default().ok_or(EnvironmentError::Disabled);
        };
        self.get(id).ok_or_else(|| EnvironmentError::Unknown {
            id: id.to_owned(),
            ids: self.ids(),
        })
    }

    /// All of them, the default first.
    pub fn all(&self) -> Vec<Arc<Environment>> {
        let state = self.state();
        let mut all: Vec<_> = state
            .all
            .iter()
            .map(|member| Arc::clone(&member.environment))
            .collect();
        // Stable: the others keep their order.
        all.sort_by_key(|environment| Some(environment.id()) != state.config.default.as_deref());
        all
    }

    /// Their ids, the default's first.
    pub fn ids(&self) -> Vec<String> {
        let ids = self.all().into_iter();
        ids.map(|environment| environment.id().to_owned()).collect()
    }

    /// What a session starts with that chose nothing: the default, and with a file all others after it. None when execution is disabled.
    pub fn starting(&self) -> Vec<Arc<Environment>> {
        let starts_all = self.state().config.starts_all;
        match self.default() {
            None => Vec::new(),
            Some(_) if starts_all => self.all(),
            Some(default) => vec![default],
        }
    }

    /// What the default allows; nothing when execution is disabled, or where this host is the default and has no executor.
    pub fn capabilities(&self) -> Capabilities {
        let works = self
            .default()
            .is_some_and(|default| default.reach().is_some());
        Capabilities {
            execution: works,
            files: works,
        }
    }

    /// Adds the executor at a websocket URL, or puts it in the place of the one of that id. The default stays what it is.
    pub fn add(&self, id: &str, url: &str) -> Result<Arc<Environment>, EnvironmentError> {
        let url = url.trim();
        let refused = |text: &str| Err(EnvironmentError::Rule(text.to_owned()));
        if url.is_empty() {
            return refused("remote environment requires an exec-server url");
        }
        if url.eq_ignore_ascii_case(NONE) {
            return refused("remote environment cannot use disabled exec-server url");
        }
        self.put(Entry {
            id: id.to_owned(),
            reach: Reach::Url {
                url: url.to_owned(),
                connect_timeout: limits::CONNECT,
            },
            initialize_timeout: limits::INITIALIZE,
        })
    }

    /// The same for any entry, under the rules of a file.
    pub fn put(&self, mut entry: Entry) -> Result<Arc<Environment>, EnvironmentError> {
        config::check_id(&entry.id).map_err(EnvironmentError::Rule)?;
        if let Reach::Url { url, .. } = &mut entry.reach {
            *url = config::check_url(url).map_err(EnvironmentError::Rule)?;
        }
        let member = Member {
            environment: self.environment(&entry),
            added: true,
        };
        self.state().put(member.clone());
        Ok(member.environment)
    }

    /// Takes up a new snapshot. An entry that is the same as in the last one keeps its connection, and what was added at run time in its
    /// place; what was added beside the snapshot stays.
    pub fn apply(&self, config: Config) -> Changes {
        let mut changes = Changes::default();
        let mut state = self.state();
        let was = std::mem::replace(&mut state.config, config.clone());
        changes.default = was.default != config.default;
        // There may be thousands, so nothing is looked for along the whole list.
        let named: HashSet<&str> = config.environments.iter().map(|new| &*new.id).collect();
        let is_named = |id: &str| named.contains(id) || (id == LOCAL && config.include_local);
        state.all.retain(|member| {
            let id = member.environment.id();
            let stays = member.added || is_named(id);
            if !stays {
                changes.removed.push(id.to_owned());
            }
            stays
        });
        if config.include_local && state.get(LOCAL).is_none() {
            let options = self.setup.connect.clone();
            let reach = self.setup.local.clone();
            let local = Environment::new(LOCAL.to_owned(), reach, unresumed(options));
            let member = Member {
                environment: Arc::new(local),
                added: false,
            };
            state.all.insert(0, member);
            changes.added.push(LOCAL.to_owned());
        }
        let before: HashMap<&str, &Entry> =
            was.environments.iter().map(|old| (&*old.id, old)).collect();
        let mut places: HashMap<String, usize> = state.places();
        for entry in &config.environments {
            let place = places.get(&entry.id).copied();
            if place.is_some() && before.get(&*entry.id) == Some(&entry) {
                continue;
            }
            let member = Member {
                environment: self.environment(entry),
                added: false,
            };
            match place {
                Some(place) => {
                    state.all[place] = member;
                    changes.replaced.push(entry.id.clone());
                }
                None => {
                    places.insert(entry.id.clone(), state.all.len());
                    state.all.push(member);
                    changes.added.push(entry.id.clone());
                }
            }
        }
        state.sort();
        changes
    }

    /// Ends all connections, and waits until that is done: no program runs any more afterwards. The next user of one connects anew.
    pub async fn close(&self) {
        let all = self.all();
        futures_util::future::join_all(all.iter().map(|environment| environment.close())).await;
    }

    fn environment(&self, entry: &Entry) -> Arc<Environment> {
        let mut options = unresumed(self.setup.connect.clone());
        options.initialize_timeout = entry.initialize_timeout;
        match &entry.reach {
            Reach::Url {
                connect_timeout, ..
            }
            | Reach::Registered(Registered {
                connect_timeout, ..
            }) => options.connect_timeout = *connect_timeout,
            Reach::Program(_) | Reach::Connector(_) => {}
        }
        Arc::new(Environment::new(
            entry.id.clone(),
            Some(entry.reach.clone()),
            options,
        ))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unresumed(mut options: ConnectOptions) -> ConnectOptions {
    options.resume_session_id = None;
    options
}

impl State {
    fn get(&self, id: &str) -> Option<Arc<Environment>> {
        let member = self
            .all
            .iter()
            .find(|member| member.environment.id() == id)?;
        Some(Arc::clone(&member.environment))
    }

    /// In the place of the one of the same id, or at the end.
    fn put(&mut self, new: Member) {
        let same = |member: &&mut Member| member.environment.id() == new.environment.id();
        match self.all.iter_mut().find(same) {
            Some(member) => *member = new,
            None => self.all.push(new),
        }
    }

    /// Where each is.
    fn places(&self) -> HashMap<String, usize> {
        let ids = self.all.iter().map(|member| member.environment.id());
        ids.map(str::to_owned).zip(0..).collect()
    }

    /// This host, then as the snapshot has them, then the rest.
    fn sort(&mut self) {
        let State { config, all } = self;
        let ids = config.environments.iter().map(|entry| &*entry.id);
        let places: HashMap<&str, usize> = ids.zip(0..).collect();
        all.sort_by_cached_key(|member| {
            let id = member.environment.id();
            (id != LOCAL, places.get(id).copied().unwrap_or(usize::MAX))
        });
    }
}

#[cfg(test)]
mod tests;
