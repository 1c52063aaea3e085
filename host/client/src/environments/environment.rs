//! One executor, connected to when somebody needs it.
//!
//! Whoever comes while an attempt is on its way waits for that one, so there is never a second connection; its failure is told to all who
//! waited, and is not remembered: the next user tries again. The attempt is a task of its own, so that a user who
//! gives up takes nobody's connection along.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::config::{LOCAL, Reach};
use crate::{Client, ClientError, ConnectOptions};

/// An executor that a harness has to choose from. The connection ends when this and all clients that it gave out are gone; what a program
/// was started for it ends with that.
#[derive(Debug)]
pub struct Environment {
    id: String,
    reach: Option<Reach>,
    options: ConnectOptions,
    link: Arc<Link>,
}

type Outcome = Result<Client, ClientError>;

#[derive(Debug, Default)]
struct Link(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    attempts: u64,
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nobody has asked yet, or nothing came of it.
    #[default]
    Apart,
    Connecting {
        outcome: watch::Receiver<Option<Outcome>>,
        attempt: AbortHandle,
    },
    Connected(Client),
}

impl Environment {
    pub(super) fn new(id: String, reach: Option<Reach>, options: ConnectOptions) -> Environment {
        Environment {
            id,
            reach,
            options,
            link: Arc::default(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it is this host.
    pub fn is_local(&self) -> bool {
        self.id == LOCAL
    }

    /// How it is reached; `None` where the embedder brought no executor for this host.
    pub fn reach(&self) -> Option<&Reach> {
        self.reach.as_ref()
    }

    /// The connection, opened if there is none (any more).
    pub async fn client(&self) -> Result<Client, ClientError> {
        let mut outcome = match self.begin()? {
            Begun::Connected(client) => return Ok(client),
            Begun::Waits(outcome) => outcome,
        };
        let told = outcome.wait_for(Option::is_some).await;
        let told = told.ok().and_then(|outcome| outcome.clone());
        told.unwrap_or_else(|| {
            Err(ClientError::Closed(format!(
                "the environment `{}` was closed meanwhile, or the attempt to connect to it broke off",
                self.id
            )))
        })
    }

    /// The connection, if there is one.
    pub fn connected(&self) -> Option<Client> {
        match &self.link.state().stage {
            Stage::Connected(client) if !client.is_closed() => Some(client.clone()),
            _ => None,
        }
    }

    /// Ends the connection, for everybody, and waits until that is done. The next user connects anew.
    pub async fn close(&self) {
        if let Stage::Connected(client) = self.take() {
            client.close().await;
        }
    }

    /// Without the connection afterwards, and nothing on its way to one.
    fn take(&self) -> Stage {
        let stage = std::mem::take(&mut self.link.state().stage);
        if let Stage::Connecting { attempt, .. } = &stage {
            attempt.abort();
        }
        stage
    }

    fn begin(&self) -> Result<Begun, ClientError> {
        let mut state = self.link.state();
        match &state.stage {
            Stage::Connected(client) if !client.is_closed() => {
                return Ok(Begun::Connected(client.clone()));
            }
            // Whoever would tell is gone where an attempt has ended without any outcome, as by a panic or with its runtime.
            Stage::Connecting { outcome, .. } if outcome.has_changed().is_ok() => {
                return Ok(Begun::Waits(outcome.clone()));
            }
            Stage::Connecting { .. } | Stage::Connected(_) | Stage::Apart => {}
        }
        let Some(reach) = self.reach.clone() else {
            return Err(ClientError::NoExecutor {
                id: self.id.clone(),
            });
        };
        state.attempts += 1;
        let number = state.attempts;
        let (tell, outcome) = watch::channel(None);
        let (link, options, id) = (
            Arc::clone(&self.link),
            self.options.clone(),
            self.id.clone(),
        );
        let attempt = tokio::spawn(async move {
            let outcome = connect(reach, options).await;
            if let Err(error) = &outcome {
                tracing::debug!(environment = id, %error, "no connection");
            }
            link.settle(number, &outcome);
            // Fails where nobody waits any more.
            let _ = tell.send(Some(outcome));
        });
        state.stage = Stage::Connecting {
            outcome: outcome.clone(),
            attempt: attempt.abort_handle(),
        };
        Ok(Begun::Waits(outcome))
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.take();
    }
}

enum Begun {
    Connected(Client),
    Waits(watch::Receiver<Option<Outcome>>),
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came of an attempt, unless it was given up while it ended.
    fn settle(&self, number: u64, outcome: &Outcome) {
        let mut state = self.state();
        if state.attempts == number && matches!(state.stage, Stage::Connecting { .. }) {
            state.stage = match outcome {
                Ok(client) => Stage::Connected(client.clone()),
                Err(_) => Stage::Apart,
            };
        }
    }
}

async fn connect(reach: Reach, options: ConnectOptions) -> Outcome {
    match reach {
        Reach::Url { url, .. } => Client::connect_ws(&url, options).await,
        Reach::Registered(registered) => {
            let remote = registered.remote().map_err(|error| ClientError::Connect {
                url: registered.shown(),
                reason: error.to_string(),
            })?;
            Client::connect_remote(remote, options).await
        }
        Reach::Program(program) => {
            program.check().map_err(|reason| ClientError::Spawn {
                program: program.program.to_string_lossy().escape_debug().to_string(),
                reason,
            })?;
            Client::spawn_stdio(program.command(), options).await
        }
        Reach::Connector(connector) => connector.connect(options).await,
    }
}
