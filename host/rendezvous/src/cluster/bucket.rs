//! The registry that several nodes share: key-value buckets of JetStream.
//!
//! One keeps what a store's file keeps, and where each executor is connected; the other one holds registrations for the minute in which their executors connect.
//! Keys: `key`, `token.ID`, `environment.ID`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::kv::{self, Operation};
use async_nats::jetstream::stream::{self, StorageType};
use async_nats::{Client, ConnectOptions, Event, jetstream};
use futures_util::{Stream, StreamExt};
use lockgate_relay::registry::EnvironmentId;

use super::entry::{Connected, Entry, Expected, Key, json, parsed, read, read_key};
use crate::hex::hex;
use crate::hub::Registered;
use crate::limits;
use crate::store::random;
use crate::token::Token;

/// Where the shared registry is.
#[derive(Clone, Debug)]
pub struct Nats {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`, several of one cluster separated by commas. User and password may stand in it: it is not shown.
    pub url: String,
    /// A file as `nsc` makes them.
    pub credentials: Option<PathBuf>,
    /// What the buckets and subjects are called, if it is not the usual name: several rendezvous can share a NATS.
    pub name: String,
    /// On how many NATS servers what is kept is kept; as it is, if nothing is said.
    pub replicas: Option<usize>,
}

/// Why the shared registry is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Nothing is reached there.
    #[error(
        "NATS cannot be reached: {0}; start `nats-server -js`, and check --nats and --nats-credentials"
    )]
    Connect(String),
    /// The credentials cannot be read.
    #[error("the NATS credentials {}: {error}", .path.display())]
    Credentials {
        /// Where they should be.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The name cannot be one.
    #[error("`{0}` cannot name a rendezvous on NATS; expected ASCII letters, digits, `-` or `_`")]
    Name(String),
    /// The key-value store refuses.
    #[error("the registry on NATS: {0}")]
    Registry(String),
    /// What is written there makes no sense.
    #[error("the registry on NATS, {key}: {reason}")]
    Entry {
        /// Where.
        key: String,
        /// Why.
        reason: String,
    },
    /// There is no such token.
    #[error("there is no token `{0}`; `lockgate rendezvous token list` shows those there are")]
    NoToken(String),
    /// The system gives no random bytes.
    #[error(transparent)]
    Random(#[from] crate::store::StoreError),
}

/// The shared registry.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) nats: Client,
    options: Nats,
    store: kv::Store,
    registrations: kv::Store,
}

fn registry(error: impl std::fmt::Display) -> ClusterError {
    let mut words = error.to_string();
    // 10039 and 10076: not enabled for the account, not enabled at all.
    if ["not enabled", "no responders"]
        .iter()
        .any(|reason| words.contains(reason))
    {
        words.push_str("; its key-value store needs JetStream (`nats-server -js`)");
    }
    if words.contains("timed out") {
        words.push_str(
            "; whether this was done shows when it answers again. A NATS server that has no room on its disk answers nothing: \
             make some, and start it again",
        );
    }
    ClusterError::Registry(words)
}

impl Bucket {
    /// Connects, and makes what is not there.
    pub(crate) async fn open(options: &Nats) -> Result<Bucket, ClusterError> {
        let name = &options.name;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(ClusterError::Name(name.clone()));
        }
        let nats = connect(options).await?;
        let (store, registrations) = buckets(&nats, options).await?;
        let bucket = Bucket {
            nats,
            options: options.clone(),
            store,
            registrations,
        };
        bucket.make_key().await?;
        Ok(bucket)
    }

    /// Makes what is not there any more: NATS may have lost it.
    pub(crate) async fn make(&self) -> Result<(), ClusterError> {
        buckets(&self.nats, &self.options).await?;
        self.make_key().await
    }

    async fn make_key(&self) -> Result<(), ClusterError> {
        if self.key().await?.is_some() {
            return Ok(());
        }
        let key = Key {
            version: 1,
            key: hex(&random()?),
        };
        // Another node may have been faster; then its key holds.
        let made = self.store.create("key", json(&key)).await;
        match made {
            Err(error) if self.key().await?.is_none() => Err(registry(error)),
            _ => Ok(()),
        }
    }

    /// Says that this node is there; what is said comes back to who follows, after everything that was written before.
    pub(crate) async fn pulse(&self, node: &str, number: u64) -> Result<u64, ClusterError> {
        let key = format!("node.{node}");
        let put = self.store.put(&key, number.to_string().into());
        put.await.map_err(registry)
    }

    /// How often a connection to NATS was made.
    pub(crate) fn connects(&self) -> u64 {
        self.nats.statistics().connects.load(Ordering::Relaxed)
    }

    /// Says that it is there no more.
    pub(crate) async fn ended(&self, node: &str) -> Result<(), ClusterError> {
        let key = format!("node.{node}");
        self.store.delete(&key).await.map_err(registry)
    }

    /// The key that signs URLs.
    pub(crate) async fn key(&self) -> Result<Option<Vec<u8>>, ClusterError> {
        match self.store.get("key").await.map_err(registry)? {
            None => Ok(None),
            Some(value) => read_key(&value).map(Some),
        }
    }

    /// All that is written, then all that will be.
    pub(crate) async fn watch(
        &self,
    ) -> Result<impl Stream<Item = Result<Entry, ClusterError>> + use<>, ClusterError> {
        let entries = self.store.watch_with_history(">").await.map_err(registry)?;
        Ok(entries.map(|entry| {
            let entry = entry.map_err(registry)?;
            Ok(Entry {
                revision: entry.revision,
                is_latest: entry.seen_current,
                change: read(&entry)?,
            })
        }))
    }

    /// All tokens, the oldest first.
    pub(crate) async fn tokens(&self) -> Result<Vec<Token>, ClusterError> {
        let mut keys = self.store.keys().await.map_err(registry)?;
        let mut tokens = Vec::new();
        while let Some(key) = keys.next().await {
            let key = key.map_err(registry)?;
            if key.starts_with("token.")
                && let Some(value) = self.store.get(&key).await.map_err(registry)?
            {
                match parsed::<Token>(&key, &value) {
                    Ok(token) => tokens.push(token),
                    Err(error) => tracing::warn!(
                        "{error}; it is worth nothing here, and `token revoke` removes it"
                    ),
                }
            }
        }
        tokens.sort_by_key(|token| (token.created, token.id.clone()));
        Ok(tokens)
    }

    /// Makes a token; gives the secret, which is shown once and kept nowhere.
    pub(crate) async fn create(&self, token: Token) -> Result<(String, Token), ClusterError> {
        let (secret, token) = token.issue(&random()?);
        let key = format!("token.{}", token.id);
        self.store
            .create(&key, json(&token))
            .await
            .map_err(registry)?;
        Ok((secret, token))
    }

    /// Makes a token worthless.
    pub(crate) async fn revoke(&self, id: &str) -> Result<(), ClusterError> {
        let key = format!("token.{id}");
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let known = match is_id {
            true => self.store.get(&key).await.map_err(registry)?,
            false => None,
        };
        if known.is_none() {
            return Err(ClusterError::NoToken(id.to_owned()));
        }
        self.store.delete(&key).await.map_err(registry)
    }

    /// Says where an executor is; gives the place of this in the order of all changes.
    pub(crate) async fn connected(
        &self,
        id: &EnvironmentId,
        connected: &Connected,
    ) -> Result<u64, ClusterError> {
        let key = format!("environment.{id}");
        self.store
            .put(&key, json(connected))
            .await
            .map_err(registry)
    }

    /// Says that it is there no more, unless something else was said since.
    pub(crate) async fn left(&self, id: &EnvironmentId, revision: u64) -> Result<(), ClusterError> {
        let key = format!("environment.{id}");
        self.store
            .delete_expect_revision(&key, Some(revision))
            .await
            .map_err(registry)
    }

    /// Remembers who is about to connect.
    pub(crate) async fn register(
        &self,
        id: &EnvironmentId,
        registered: &Registered,
    ) -> Result<(), ClusterError> {
        let expected = Expected {
            environment: id.to_string(),
            keys: registered.keys.clone(),
        };
        let made = self.registrations.put(&registered.id, json(&expected));
        made.await.map(drop).map_err(registry)
    }

    /// Who registered so, once.
    pub(crate) async fn take(
        &self,
        id: &EnvironmentId,
        registration: &str,
    ) -> Result<Option<Registered>, ClusterError> {
        let Some(entry) = self
            .registrations
            .entry(registration)
            .await
            .map_err(registry)?
            .filter(|entry| entry.operation == Operation::Put)
        else {
            return Ok(None);
        };
        let expected: Expected = parsed(registration, &entry.value)?;
        if expected.environment != id.as_str() {
            return Ok(None);
        }
        let deleted = self
            .registrations
            .delete_expect_revision(registration, Some(entry.revision));
        // Somebody else was faster: it is used.
        if deleted.await.is_err() {
            return Ok(None);
        }
        Ok(Some(Registered {
            id: registration.to_owned(),
            keys: expected.keys,
        }))
    }
}

pub(crate) async fn connect(options: &Nats) -> Result<Client, ClusterError> {
    let usual = ConnectOptions::new();
    let usual = match &options.credentials {
        None => usual,
        Some(path) => {
            let failed = |error| ClusterError::Credentials {
                path: path.clone(),
                error,
            };
            let text = std::fs::read_to_string(path).map_err(failed)?;
            usual.credentials(&text).map_err(failed)?
        }
    };
    let was_lost = Arc::new(AtomicBool::new(false));
    let servers: Vec<&str> = options.url.split(',').map(str::trim).collect();
    usual
        .name("lockgate rendezvous")
        .connection_timeout(limits::NATS)
        .request_timeout(Some(limits::NATS))
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(|attempts| match attempts {
            0..=1 => Duration::ZERO,
            _ => limits::NATS_AGAIN,
        })
        .event_callback(move |event| {
            let was_lost = Arc::clone(&was_lost);
            async move {
                match event {
                    Event::Disconnected if !was_lost.swap(true, Ordering::Relaxed) => {
                        tracing::warn!("NATS: the connection was lost; trying again");
                    }
                    Event::Connected if was_lost.swap(false, Ordering::Relaxed) => {
                        tracing::warn!("NATS: connected again");
                    }
                    Event::SlowConsumer(_) | Event::LameDuckMode | Event::ServerError(_) => {
                        tracing::warn!("NATS: {event}");
                    }
                    // One for each attempt, and what was said above.
                    _ => tracing::debug!("NATS: {event}"),
                }
            }
        })
        .connect(servers)
        .await
        // The error names no user and no password.
        .map_err(|error| ClusterError::Connect(error.to_string()))
}

async fn buckets(nats: &Client, options: &Nats) -> Result<(kv::Store, kv::Store), ClusterError> {
    let jetstream = jetstream::new(nats.clone());
    let name = &options.name;
    let what = "Lockgate rendezvous: key, tokens, and where executors are";
    let store = bucket(&jetstream, options, name, what, stream::Config::default()).await?;
    let what = "Lockgate rendezvous: executors that are about to connect";
    let short = stream::Config {
        max_age: limits::URL_FOR_NOW,
        storage: StorageType::Memory,
        ..stream::Config::default()
    };
    let registrations = format!("{name}_registrations");
    let registrations = bucket(&jetstream, options, &registrations, what, short).await?;
    Ok((store, registrations))
}

/// A bucket, made if it is not there. By hand, as a stream (ADR-8 of NATS): the library asks servers for the account first, and does not understand what those
/// before 2.10 answer. No server but the stream's leader answers: another one may not know yet what was written a moment ago.
async fn bucket(
    jetstream: &jetstream::Context,
    options: &Nats,
    name: &str,
    what: &str,
    config: stream::Config,
) -> Result<kv::Store, ClusterError> {
    let config = stream::Config {
        name: format!("KV_{name}"),
        description: Some(what.to_owned()),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        allow_rollup: true,
        deny_delete: true,
        discard: stream::DiscardPolicy::New,
        num_replicas: options.replicas.unwrap_or(1),
        ..config
    };
    if let Ok(store) = jetstream.get_key_value(name).await {
        let found = store.stream.cached_info().config.num_replicas;
        return match options.replicas {
            Some(wanted) if wanted != found => {
                jetstream.update_stream(config).await.map_err(registry)?;
                tracing::warn!(
                    "NATS: {name} is kept on {wanted} servers from now on, on {found} before"
                );
                Ok(store)
            }
            _ => Ok(store),
        };
    }
    let made = jetstream.create_stream(config).await;
    // Another node may have been faster.
    match (jetstream.get_key_value(name).await, made) {
        (Ok(store), _) => Ok(store),
        (Err(_), Err(error)) => Err(registry(error)),
        (Err(error), Ok(_)) => Err(registry(error)),
    }
}
