//! The session over its links: drives the one there is, and when it is lost brings another one in its place.
//!
//! Until the session is attached again and every process is known to have lost nothing, nobody else gets to call. The window
//! counts from the loss to that moment, for a stream through a rendezvous from that of its websocket; a link that is lost in between does not begin it anew.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lockgate_wire::environment::EnvironmentInfo;
use lockgate_wire::lifecycle::{
    InitializeParams, InitializeResult, InitializedParams, Understands,
};
use lockgate_wire::lockgate::approval::ClientExtensions;
use lockgate_wire::{Method, NoParams, notify};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::calls::{Calls, Wire};
use crate::resume::Verdict;
use crate::transport::target::Target;
use crate::transport::{End, Goodbye, Link, NO_ATTEMPT, Running};
use crate::{Awaited, ClientError, ConnectOptions, ConnectionState, limits, recover};

/// What a session's task knows.
pub(crate) struct Session {
    pub(crate) calls: Arc<Calls>,
    pub(crate) greeting: Greeting,
    /// None where there is no second link: a program that was started has one pair of pipes.
    pub(crate) target: Option<Target>,
    pub(crate) window: Option<Duration>,
    pub(crate) connect_timeout: Duration,
    pub(crate) stopped: watch::Receiver<bool>,
    /// Its id, once the first handshake is over.
    pub(crate) id: Arc<OnceLock<String>>,
    /// When another link was tried last.
    pub(crate) attempted: Option<Instant>,
}

/// How we introduce ourselves.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    name: String,
    approvals: bool,
    within: Duration,
}

impl Greeting {
    pub(crate) fn of(options: &ConnectOptions) -> Greeting {
        Greeting {
            name: options.client_name.clone(),
            approvals: options.approver.is_some(),
            within: options.initialize_timeout,
        }
    }

    /// `initialize` and `initialized`, for a new session or for that one.
    pub(crate) async fn shake(
        &self,
        calls: &Calls,
        wire: &Wire,
        session: Option<&str>,
    ) -> Result<InitializeResult, ClientError> {
        let params = InitializeParams {
            client_name: self.name.clone(),
            resume_session_id: session.map(str::to_owned),
            lockgate: self
                .approvals
                .then_some(ClientExtensions { approvals: true }),
        };
        let method = Method::Initialize.name();
        let shaking = async {
            let result: InitializeResult = wire.call(calls, method, &params).await?;
            if session.is_some_and(|session| session != result.session_id) {
                return Err(ClientError::Protocol(
                    "another session was resumed than the one asked for".into(),
                ));
            }
            let announced = result.environment_info.as_ref();
            let announced = announced.and_then(|info| info.capabilities.lockgate.as_ref());
            let said = InitializedParams {
                lockgate: announced
                    .filter(|ours| ours.output_bytes && wire.carries_bytes)
                    .map(|_| Understands { output_bytes: true }),
            };
            let text = lockgate_wire::notification(notify::INITIALIZED, &said);
            let sent = wire.outbound.send(text).await;
            sent.map_err(|_| ClientError::Closed("it ended in the handshake".into()))?;
            Ok(result)
        };
        // Within the clock's first tick an answer may come even so, and then it may not.
        if self.within.is_zero() {
            return Err(self.unanswered(method));
        }
        timeout(self.within, shaking)
            .await
            .unwrap_or_else(|_| Err(self.unanswered(method)))
    }

    /// What executors of June 2026 say of themselves when they are asked, and later ones in the handshake. Those
    /// of May do not know the question.
    pub(crate) async fn ask(
        &self,
        calls: &Calls,
        wire: &Wire,
    ) -> Result<Option<EnvironmentInfo>, ClientError> {
        let method = Method::EnvironmentInfo.name();
        let asking = timeout(self.within, wire.call(calls, method, &NoParams));
        match asking.await {
            Ok(Ok(environment)) => Ok(Some(environment)),
            Ok(Err(ClientError::Server { .. } | ClientError::Protocol(_))) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.unanswered(method)),
        }
    }

    fn unanswered(&self, method: &str) -> ClientError {
        ClientError::Timeout {
            of: Awaited::Handshake {
                method: method.to_owned(),
            },
            after: self.within,
        }
    }
}

impl Wire {
    /// A call on this link, whether or not it is open to all. It is not repeated on another one.
    pub(crate) async fn call<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        calls: &Calls,
        method: &str,
        params: &P,
    ) -> Result<R, ClientError> {
        let ticket = calls.place_on(self).await?;
        ticket.ask(method, params).await?.decode(method)
    }
}

impl Session {
    /// Until it ends.
    pub(crate) async fn run(mut self, first: Running) {
        let mut running = first;
        loop {
            let (end, goodbye) = tokio::select! {
                ended = running => ended,
                never = self.calls.catch_up() => match never {},
            };
            let lost = match end {
                End::Lost(lost) if !*self.stopped.borrow() => lost,
                End::Broken(error) => return self.over(error, Some(goodbye)).await,
                End::Lost(_) | End::Here => return self.over(closed_here(), Some(goodbye)).await,
            };
            // A link that was not carried any more was lost with what carried it.
            let away = match &*self.calls.told().borrow() {
                ConnectionState::Away { since, why, .. } => Some(((*since).into(), why.clone())),
                _ => None,
            };
            let (since, lost, last) = match away {
                Some((since, why)) => (since, why, lost),
                None => (Instant::now(), lost, NO_ATTEMPT.to_owned()),
            };
            let id = self.id.get().cloned();
            let window = self.window.filter(|window| !window.is_zero());
            let (Some(id), Some(window), Some(_)) = (&id, window, &self.target) else {
                if id.is_some() {
                    self.calls.lost(&lost, false);
                }
                return self.over(ClientError::Closed(lost), Some(goodbye)).await;
            };
            tracing::debug!(lost, "connection lost; the session is to be resumed");
            self.calls.lost(&lost, true);
            tokio::spawn(goodbye);
            let left = window.saturating_sub(since.elapsed());
            running = match self.resume(id, (window, left), &lost, last).await {
                Ok(running) => running,
                Err(error) => return self.over(error, None).await,
            };
            tracing::debug!("session resumed");
        }
    }

    async fn over(&self, reason: ClientError, goodbye: Option<Goodbye>) {
        tracing::debug!(%reason, "connection ended");
        self.calls.end(reason);
        if let Some(goodbye) = goodbye {
            goodbye.await;
        }
    }

    /// Another link, with the session attached and recovered, in what is left of the window. `last` is what came of the last attempt before.
    async fn resume(
        &mut self,
        id: &str,
        (window, left): (Duration, Duration),
        lost: &str,
        mut last: String,
    ) -> Result<Running, ClientError> {
        let mut stopped = self.stopped.clone();
        let outcome = tokio::select! {
            // Fails where the client is gone, which is the same.
            _ = stopped.wait_for(|stop| *stop) => return Err(closed_here()),
            outcome = timeout(left, self.attempts(id, lost, &mut last)) => outcome,
        };
        outcome.unwrap_or_else(|_| {
            Err(ClientError::WindowOver {
                window,
                lost: lost.to_owned(),
                last,
            })
        })
    }

    /// One after the other, until one succeeds or no other can.
    async fn attempts(
        &mut self,
        id: &str,
        lost: &str,
        last: &mut String,
    ) -> Result<Running, ClientError> {
        let mut failed = 0;
        loop {
            if let (Some(before), Some(target)) = (self.attempted, &self.target) {
                sleep_until(before + target.pace(id).apart(failed)).await;
            }
            self.attempted = Some(Instant::now());
            match self.attempt(id, lost, last).await {
                Ok(running) => return Ok(running),
                Err(Verdict::Over(error)) => return Err(error),
                Err(Verdict::Again(why)) => {
                    tracing::debug!(why, "not resumed yet");
                    *last = why;
                    failed += 1;
                }
            }
        }
    }

    /// `last` says how far it has come, for the case that the window ends in it.
    async fn attempt(&self, id: &str, lost: &str, last: &mut String) -> Result<Running, Verdict> {
        let Some(target) = &self.target else {
            return Err(Verdict::Over(ClientError::Closed(lost.to_owned())));
        };
        let dialled = target.dial(
            self.connect_timeout,
            self.window,
            &self.stopped,
            &self.calls,
        );
        let Link { wire, mut running } =
            dialled
                .await
                .map_err(|undialled| match undialled.is_final {
                    true => Verdict::Over(undialled.error),
                    false => Verdict::Again(undialled.error.to_string()),
                })?;
        self.calls.join(wire.clone());
        let mut attaching = Box::pin(async {
            "there was no answer to initialize yet".clone_into(last);
            self.greeting.shake(&self.calls, &wire, Some(id)).await?;
            "not all was known yet of what the processes did meanwhile".clone_into(last);
            recover::recover(&self.calls, &wire, self.greeting.within).await
        });
        let outcome = tokio::select! {
            outcome = &mut attaching => outcome,
            (end, goodbye) = &mut running => {
                tokio::spawn(goodbye);
                self.calls.lost(lost, true);
                // Nothing keeps it now. What the server answered before it went counts.
                let outcome = attaching.await;
                return Err(match (outcome, end) {
                    (Err(error @ (ClientError::Server { .. } | ClientError::Protocol(_))), _) => {
                        Verdict::of(error, lost)
                    }
                    (_, End::Lost(why)) => Verdict::Again(why),
                    (_, End::Broken(error)) => Verdict::Over(error),
                    (_, End::Here) => Verdict::Over(closed_here()),
                });
            }
        };
        drop(attaching);
        let error = match outcome {
            Ok(()) => {
                self.calls.reopen();
                return Ok(running);
            }
            Err(error) => error,
        };
        self.calls.lost(lost, true);
        drop(wire);
        // With nobody to write on it, it says goodbye.
        tokio::spawn(timeout(limits::GOODBYE * 2, async {
            let (_, goodbye) = running.await;
            goodbye.await;
        }));
        Err(Verdict::of(error, lost))
    }
}

/// Whoever waits hears of it also where the task ends in another way: with its runtime, or by a mistake of ours.
impl Drop for Session {
    fn drop(&mut self) {
        self.calls
            .end(ClientError::Closed("its task has ended".into()));
    }
}

fn closed_here() -> ClientError {
    ClientError::Closed("it was closed here".into())
}
