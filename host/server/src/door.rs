//! Who is let in on an encrypted stream: the harness proves its keys, the registry says whether it may.
//!
//! A handshake that fails ends its stream and nothing else. The reference closes the websocket after eight: then anybody with a harness's token
//! could take the executor away from all others, again and again.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lockgate_relay::Reason;
use lockgate_relay::driver::{Channel, RelayStream};
use lockgate_relay::limits::{VALIDATION, VALIDATION_PAUSE, VALIDATIONS};
use lockgate_relay::noise::{Identity, Prologue, PublicKeys, Responder};
use lockgate_relay::registry::{EnvironmentId, Registry, RegistryError, Validate};
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// The executor's keys, which live as long as it does, and what they are registered as.
pub(crate) struct Door {
    registry: Registry,
    environment: EnvironmentId,
    identity: Identity,
    /// The latest registration, and the one before it: a harness may be on its way with that.
    registrations: Mutex<[String; 2]>,
    validations: Semaphore,
}

impl Door {
    pub(crate) fn new(registry: Registry, environment: EnvironmentId) -> Door {
        Door {
            registry,
            environment,
            identity: Identity::generate(),
            registrations: Mutex::default(),
            validations: Semaphore::new(VALIDATIONS),
        }
    }

    /// What the registry is told.
    pub(crate) fn keys(&self) -> &PublicKeys {
        self.identity.public()
    }

    /// From here on harnesses come with this registration.
    pub(crate) fn registered(&self, id: String) {
        let mut known = self
            .registrations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.swap(0, 1);
        known[0] = id;
    }

    /// Lets a harness in, or ends its stream.
    pub(crate) async fn admit(&self, stream: RelayStream) -> Option<Channel> {
        match self.shake_hands(&stream).await {
            Ok(secured) => Some(Channel::secured(stream, secured)),
            Err(refused) => {
                tracing::warn!("a stream was not let in: {}", refused.why);
                stream.reset(refused.told);
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
            told: Reason::shortened("this executor takes encrypted streams only: connect through its registry, or start it with --remote-transport direct"),
        })?;
        // Those that wait hold no memory but their first message, and streams are counted.
        let _turn = self.validations.acquire().await;
        let known = {
            let known = self.registrations.lock();
            known.unwrap_or_else(PoisonError::into_inner).clone()
        };
        let read = |registration: &String| {
            let prologue = Prologue::new(self.environment.as_str(), registration, stream.id());
            Responder::read(&self.identity, &prologue, &message)
        };
        let (registration, responder) = match (read(&known[0]), &known) {
            (Ok(responder), [latest, _]) => (latest.clone(), responder),
            (Err(error), [_, before]) if before.is_empty() => return Err(failed(error)),
            (Err(_), [_, before]) => (before.clone(), read(before).map_err(failed)?),
        };
        let asked = Validate {
            executor_registration_id: registration,
            harness_public_key: responder.harness().clone(),
            harness_key_authorization: responder.authorization().to_owned(),
        };
        match self.ask(&asked).await {
            Ok(true) => {}
            Ok(false) => return Err(failed("the registry does not know its authorization")),
            Err(error) => return Err(failed(error)),
        }
        let (secured, message) = responder.complete().map_err(failed)?;
        stream.send_handshake(message).map_err(failed)?;
        Ok(secured)
    }

    /// Asks the registry, and again while it is away: it may be about to be restarted, and the harness waits for a while.
    async fn ask(&self, what: &Validate) -> Result<bool, RegistryError> {
        let until = Instant::now() + VALIDATION;
        loop {
            match self.registry.validate(&self.environment, what).await {
                Err(error) if error.is_passing() => {
                    let wait = error.retry_after().unwrap_or(VALIDATION_PAUSE);
                    if Instant::now() + wait >= until {
                        return Err(error);
                    }
                    tracing::debug!("{error}; asking once more");
                    sleep(wait.max(VALIDATION_PAUSE)).await;
                }
                outcome => return outcome,
            }
        }
    }
}

struct Refused {
    why: String,
    told: Reason,
}

fn failed(why: impl std::fmt::Display) -> Refused {
    Refused {
        why: why.to_string(),
        told: Reason::secure_relay_protocol_error(),
    }
}
