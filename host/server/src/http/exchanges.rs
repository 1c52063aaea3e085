//! The HTTP requests of one connection: how many there are, which streams are active, and the clients that send them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Url;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::egress::{Clients, Egress};
use crate::budget::{Budget, Share};
use crate::failure::Failure;
use crate::limits;

/// Of one connection.
pub(crate) struct Exchanges {
    egress: Arc<Egress>,
    places: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    descriptors: Budget,
    /// With what their clients say of them.
    streams: Mutex<HashMap<String, Said>>,
    clients: Mutex<Option<Known>>,
}

/// Clients, and the origins that they may keep connections to.
struct Known {
    clients: Clients,
    origins: HashSet<String>,
}

/// What a client says of a stream.
#[derive(Clone, Default)]
struct Said {
    /// It wants no more of it.
    cancelled: Arc<Notify>,
    read: Arc<Read>,
}

/// How much of a body its client has read, as far as it says so.
#[derive(Default)]
pub(super) struct Read {
    bytes: AtomicU64,
    told: Notify,
}

impl Read {
    fn acknowledge(&self, bytes: u64) {
        self.bytes.fetch_max(bytes, Ordering::Relaxed);
        self.told.notify_one();
    }

    /// Returns when less than a window of what was `sent` is not read. For one who waits.
    pub(super) async fn within(&self, window: u64, sent: u64) {
        // What is told between the look and the wait is remembered by `notify_one`.
        while sent.saturating_sub(self.bytes.load(Ordering::Relaxed)) >= window {
            self.told.notified().await;
        }
    }
}

/// The right to one exchange; given back when it is dropped.
pub(crate) struct Place {
    exchanges: Arc<Exchanges>,
    stream: Option<String>,
    said: Said,
    _held: (OwnedSemaphorePermit, Share),
}

impl Exchanges {
    pub(crate) fn new(egress: &Arc<Egress>, descriptors: Budget) -> Arc<Exchanges> {
        Arc::new(Exchanges {
            egress: Arc::clone(egress),
            places: Arc::new(Semaphore::new(limits::HTTP_REQUESTS)),
            lookups: Arc::new(Semaphore::new(limits::HTTP_LOOKUPS)),
            descriptors,
            streams: Mutex::default(),
            clients: Mutex::default(),
        })
    }

    pub(crate) fn egress(&self) -> &Arc<Egress> {
        &self.egress
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<String, Said>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a request, and for its body's stream, if it wants one, the name.
    pub(crate) fn begin(self: &Arc<Exchanges>, stream: Option<&str>) -> Result<Place, Failure> {
        if let Some(name) = stream {
            if name.len() > limits::HTTP_REQUEST_ID_BYTES {
                return Err(Failure::invalid_params(format!(
                    "requestId must have at most {} bytes, it has {}",
                    limits::HTTP_REQUEST_ID_BYTES,
                    name.len()
                )));
            }
            if self.streams().contains_key(name) {
                return Err(Failure::invalid_params(format!(
                    "http/request streamResponse requestId `{name}` is already active"
                )));
            }
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| {
            Failure::invalid_request(format!(
                "at most {} http requests may be under way per connection, streams that are not read to their end included",
                limits::HTTP_REQUESTS
            ))
        })?;
        let descriptor = self.descriptors.take().ok_or_else(|| {
            Failure::internal(
                "the executor's clients have as many files and connections open as it can spare; try again later",
            )
        })?;
        let said = Said::default();
        if let Some(name) = stream {
            self.streams().insert(name.to_owned(), said.clone());
        }
        Ok(Place {
            exchanges: Arc::clone(self),
            stream: stream.map(str::to_owned),
            said,
            _held: (place, descriptor),
        })
    }

    /// Ends a stream whose name this is, if there is one.
    pub(crate) fn cancel(&self, stream: &str) {
        if let Some(said) = self.streams().get(stream) {
            said.cancelled.notify_one();
        }
    }

    /// So many bytes of that stream were read, if there is one.
    pub(crate) fn acknowledge(&self, stream: &str, bytes: u64) {
        if let Some(said) = self.streams().get(stream) {
            said.read.acknowledge(bytes);
        }
    }

    /// The clients to send a hop with. New ones where the old ones could keep connections to too many origins: those end with the exchanges
    /// that still use them.
    pub(super) async fn clients(self: &Arc<Exchanges>, to: &Url) -> Result<Clients, Failure> {
        let origin = to.origin().ascii_serialization();
        if let Some(known) = &mut *self.known()
            && (known.origins.contains(&origin) || known.origins.len() < limits::HTTP_ORIGINS)
        {
            known.origins.insert(origin);
            return Ok(known.clients.clone());
        }
        let this = Arc::clone(self);
        let built = tokio::task::spawn_blocking(move || this.egress.clients(&this.lookups)).await;
        let clients = match built {
            Ok(Ok(clients)) => clients,
            Ok(Err(reason)) => {
                return Err(Failure::internal(format!("http/request failed: {reason}")));
            }
            Err(_) => {
                return Err(Failure::internal(
                    "http/request failed: the server is stopping",
                ));
            }
        };
        *self.known() = Some(Known {
            clients: clients.clone(),
            origins: HashSet::from([origin]),
        });
        Ok(clients)
    }
}

impl Place {
    pub(super) fn exchanges(&self) -> &Arc<Exchanges> {
        &self.exchanges
    }

    /// Told when the client wants no more of it; remembered until somebody waits.
    pub(crate) fn cancelled(&self) -> Arc<Notify> {
        Arc::clone(&self.said.cancelled)
    }

    /// How much of the body was read.
    pub(super) fn read(&self) -> Arc<Read> {
        Arc::clone(&self.said.read)
    }

    /// The name of the stream.
    pub(super) fn stream(&self) -> &str {
        self.stream.as_deref().unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(name) = &self.stream {
            self.exchanges.streams().remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpOptions;

    fn exchanges() -> Arc<Exchanges> {
        Exchanges::new(
            &Arc::new(Egress::new(HttpOptions::default())),
            Budget::new(),
        )
    }

    #[test]
    fn a_stream_has_its_name_alone_until_it_ends() {
        let exchanges = exchanges();
        let first = exchanges
            .begin(Some("a"))
            .map_err(|failure| failure.message);
        let first = first.unwrap_or_else(|message| panic!("{message}"));
        let Err(failure) = exchanges.begin(Some("a")) else {
            panic!("the name was given twice")
        };
        assert_eq!(failure.code, lockgate_wire::code::INVALID_PARAMS);
        assert_eq!(
            failure.message,
            "http/request streamResponse requestId `a` is already active"
        );
        assert!(exchanges.begin(None).is_ok() && exchanges.begin(Some("b")).is_ok());
        drop(first);
        assert!(exchanges.begin(Some("a")).is_ok());
        assert!(
            exchanges
                .begin(Some(&"x".repeat(limits::HTTP_REQUEST_ID_BYTES + 1)))
                .is_err()
        );
    }

    #[test]
    fn there_are_so_many_at_a_time_and_no_more() {
        let exchanges = exchanges();
        let all: Vec<_> = (0..limits::HTTP_REQUESTS)
            .map_while(|_| exchanges.begin(None).ok())
            .collect();
        assert_eq!(all.len(), limits::HTTP_REQUESTS);
        assert!(exchanges.begin(Some("a")).is_err() && exchanges.streams().is_empty());
        drop(all);
        assert!(exchanges.begin(Some("a")).is_ok());
    }
}
