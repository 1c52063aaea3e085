//! Who is let in on an encrypted stream: the harness proves its keys, the registry says whether it may.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use lockgate_relay::driver::{Channel, PROTOCOL_ERROR, RelayStream};
use lockgate_relay::limits::{FAILED_HANDSHAKES, VALIDATIONS};
use lockgate_relay::noise::{Identity, Prologue, PublicKeys, Responder};
use lockgate_relay::registry::{EnvironmentId, Registry, Validate};
use tokio::sync::{Notify, Semaphore};

/// The executor's keys, which live as long as it does, and what they are registered as.
pub(crate) struct Door {
    registry: Registry,
    environment: EnvironmentId,
    identity: Identity,
    registration: Mutex<String>,
    validations: Semaphore,
    /// Handshakes that failed since the last registration.
    failures: AtomicU32,
    battered: Notify,
}

impl Door {
    pub(crate) fn new(registry: Registry, environment: EnvironmentId) -> Door {
        Door {
            registry,
            environment,
            identity: Identity::generate(),
            registration: Mutex::default(),
            validations: Semaphore::new(VALIDATIONS),
            failures: AtomicU32::new(0),
            battered: Notify::new(),
        }
    }

    /// What the registry is told.
    pub(crate) fn keys(&self) -> &PublicKeys {
        self.identity.public()
    }

    /// From here on harnesses come with this registration.
    pub(crate) fn registered(&self, id: String) {
        *self
            .registration
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = id;
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Waits until so many handshakes have failed that the connection is better closed.
    pub(crate) async fn is_battered(&self) {
        self.battered.notified().await;
    }

    /// Lets a harness in, or ends its stream.
    pub(crate) async fn admit(&self, stream: RelayStream) -> Option<Channel> {
        match self.shake_hands(&stream).await {
            Ok(secured) => Some(Channel::secured(stream, secured)),
            Err(refused) => {
                tracing::warn!("a stream was not let in: {}", refused.why);
                stream.reset(refused.told);
                if refused.counts
                    && self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILED_HANDSHAKES
                {
                    self.battered.notify_one();
                }
                None
            }
        }
    }

    async fn shake_hands(
        &self,
        stream: &RelayStream,
    ) -> Result<lockgate_relay::noise::Secured, Refused> {
        let message = stream.take_handshake().ok_or_else(|| Refused {
            why: "it began without a handshake".to_owned(),
            told: "this executor takes encrypted streams only: connect through its registry, or start it with --remote-transport direct",
            counts: false,
        })?;
        // Those that wait hold no memory but their first message, and streams are counted.
        let _turn = self.validations.acquire().await;
        let registration = {
            let known = self.registration.lock();
            known.unwrap_or_else(PoisonError::into_inner).clone()
        };
        let prologue = Prologue::new(self.environment.as_str(), &registration, stream.id());
        let responder = Responder::read(&self.identity, &prologue, &message).map_err(failed)?;
        let asked = Validate {
            executor_registration_id: registration,
            harness_public_key: responder.harness().clone(),
            harness_key_authorization: responder.authorization().to_owned(),
        };
        match self.registry.validate(&self.environment, &asked).await {
            Ok(true) => {}
            Ok(false) => return Err(failed("the registry does not know its authorization")),
            // Nobody's fault but the way's.
            Err(error) => {
                return Err(Refused {
                    counts: false,
                    ..failed(error)
                });
            }
        }
        let (secured, message) = responder.complete().map_err(failed)?;
        stream.send_handshake(message).map_err(failed)?;
        self.failures.store(0, Ordering::Relaxed);
        Ok(secured)
    }
}

struct Refused {
    why: String,
    told: &'static str,
    counts: bool,
}

fn failed(why: impl std::fmt::Display) -> Refused {
    Refused {
        why: why.to_string(),
        told: PROTOCOL_ERROR,
        counts: true,
    }
}
