//! One connection after the handshake: typed calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_grant::AbsPath;
use lockgate_wire::environment::{Capabilities, EnvironmentInfo, StatusResult};
use lockgate_wire::lifecycle::{InitializeParams, InitializeResult};
use lockgate_wire::limits::MESSAGE_BYTES;
use lockgate_wire::lockgate::approval::ClientExtensions;
use lockgate_wire::lockgate::process::ListResult;
use lockgate_wire::{Empty, Id, Method, NoParams, WirePath, notify};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::calls::Calls;
use crate::{ClientError, ConnectOptions, limits};

/// A connection to an executor, past the handshake. Clones share it; it is closed when the last one is gone.
#[derive(Clone)]
pub struct Client(Arc<Connection>);

struct Connection {
    calls: Arc<Calls>,
    outbound: mpsc::Sender<String>,
    in_flight: Semaphore,
    call_timeout: Option<Duration>,
    wait_for_readers: bool,
    session_id: String,
    environment: Option<EnvironmentInfo>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("session_id", &self.0.session_id)
            .finish_non_exhaustive()
    }
}

/// A connection whose task runs and whose handshake is still to come.
pub(crate) struct Opened {
    pub(crate) calls: Arc<Calls>,
    pub(crate) outbound: mpsc::Sender<String>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: JoinHandle<()>,
}

impl Client {
    /// `initialize` and `initialized`.
    pub(crate) async fn handshake(
        opened: Opened,
        options: ConnectOptions,
    ) -> Result<Client, ClientError> {
        let mut connection = Connection {
            calls: opened.calls,
            outbound: opened.outbound,
            in_flight: Semaphore::new(limits::IN_FLIGHT),
            call_timeout: Some(options.initialize_timeout),
            wait_for_readers: options.wait_for_readers,
            session_id: String::new(),
            environment: None,
            stop: opened.stop,
            task: Mutex::new(Some(opened.task)),
        };
        let resumed = options.resume_session_id.clone();
        let params = InitializeParams {
            client_name: options.client_name,
            resume_session_id: options.resume_session_id,
            lockgate: options
                .approver
                .is_some()
                .then_some(ClientExtensions { approvals: true }),
        };
        let result: InitializeResult = connection.call(Method::Initialize.name(), &params).await?;
        if resumed.is_some_and(|resumed| resumed != result.session_id) {
            return Err(ClientError::Protocol(
                "another session was resumed than the one asked for".into(),
            ));
        }
        connection
            .send(lockgate_wire::notification(notify::INITIALIZED, &Empty {}))
            .await?;
        connection.call_timeout = options.call_timeout;
        connection.session_id = result.session_id;
        connection.environment = result.environment_info;
        Ok(Client(Arc::new(connection)))
    }

    /// Names the session, for resuming it.
    pub fn session_id(&self) -> &str {
        &self.0.session_id
    }

    /// What the server said about its machine in the handshake; servers of May 2026 say nothing.
    pub fn environment(&self) -> Option<&EnvironmentInfo> {
        self.0.environment.as_ref()
    }

    /// True when the server announced that extension.
    pub fn has(&self, extension: Method) -> bool {
        self.capabilities()
            .is_some_and(|capabilities| capabilities.announces(extension))
    }

    /// What the server can do beyond the base.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.environment()
            .map(|environment| &environment.capabilities)
    }

    /// `path` as this server reads it: a URI, or the native path for servers of May 2026.
    pub fn path(&self, path: AbsPath) -> WirePath {
        if self.environment().is_some() {
            WirePath::uri(path)
        } else {
            WirePath::native(path)
        }
    }

    /// Calls any method. Dropping the future forgets the call; the server still carries it out.
    pub async fn call<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, ClientError> {
        let _permit = self
            .0
            .in_flight
            .acquire()
            .await
            .map_err(|_| self.0.closed())?;
        self.0.call(method, params).await
    }

    /// The same without waiting for a place: for cleaning up.
    pub(crate) async fn call_beyond_limit<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, ClientError> {
        self.0.call(method, params).await
    }

    /// Calls a method without waiting for anything, its answer least of all: for what is dropped.
    pub(crate) fn cast<P: Serialize + ?Sized>(&self, method: &str, params: &P) {
        // Its place is given back at once, so the answer finds nobody.
        let Ok(id) = self.calls().ticket().map(|ticket| ticket.id) else {
            return;
        };
        let Ok(message) = lockgate_wire::request(&Id::Number(id), method, params) else {
            return;
        };
        match self.0.outbound.try_send(message) {
            Err(mpsc::error::TrySendError::Full(message)) => {
                let outbound = self.0.outbound.downgrade();
                // Without a runtime nobody reads what is queued either.
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move {
                        if let Some(outbound) = outbound.upgrade() {
                            let _ = outbound.send(message).await;
                        }
                    });
                }
            }
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    /// `environment/info`; use [`Self::environment`] where the handshake brought it.
    pub async fn environment_info(&self) -> Result<EnvironmentInfo, ClientError> {
        self.call(Method::EnvironmentInfo.name(), &NoParams).await
    }

    /// `environment/status`: succeeds when the server is ready.
    pub async fn status(&self) -> Result<(), ClientError> {
        let StatusResult { .. } = self
            .call(Method::EnvironmentStatus.name(), &NoParams)
            .await?;
        Ok(())
    }

    /// Extension: the processes of this session.
    pub async fn processes(&self) -> Result<ListResult, ClientError> {
        self.call(Method::LockgateProcessList.name(), &Empty {})
            .await
    }

    /// Whether the connection has ended, for whatever reason.
    pub fn is_closed(&self) -> bool {
        self.calls().closed().is_some()
    }

    /// Ends the connection, for all clones, and waits until that is done; a spawned server is gone afterwards.
    pub async fn close(self) {
        let _ = self.0.stop.send(true);
        let task = self
            .0
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }

    pub(crate) fn waits_for_readers(&self) -> bool {
        self.0.wait_for_readers
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.0.calls
    }
}

impl Connection {
    async fn call<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, ClientError> {
        let answer = async {
            let mut ticket = self.calls.ticket()?;
            let message = lockgate_wire::request(&Id::Number(ticket.id), method, params).map_err(
                |error| ClientError::Unsendable {
                    what: method.to_owned(),
                    reason: error.to_string(),
                },
            )?;
            if message.len() > MESSAGE_BYTES {
                return Err(ClientError::Unsendable {
                    what: method.to_owned(),
                    reason: format!(
                        "the message has {} bytes, at most {MESSAGE_BYTES} are possible",
                        message.len()
                    ),
                });
            }
            self.send(message).await?;
            (&mut ticket.answer)
                .await
                .unwrap_or_else(|_| Err(self.closed()))
        };
        let answer = match self.call_timeout {
            None => answer.await,
            Some(after) => match timeout(after, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(ClientError::Timeout {
                    what: method.to_owned(),
                    after,
                }),
            },
        };
        answer?.decode(method)
    }

    async fn send(&self, message: String) -> Result<(), ClientError> {
        self.outbound.send(message).await.map_err(|_| self.closed())
    }

    fn closed(&self) -> ClientError {
        self.calls
            .closed()
            .unwrap_or_else(|| ClientError::Closed("it was closed here".into()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What was queued is still written; this only bounds the time that may take.
        let _ = self.stop.send(true);
    }
}
