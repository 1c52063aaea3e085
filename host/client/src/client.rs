//! One connection after the handshake: typed calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_grant::AbsPath;
use lockgate_wire::environment::{
    Capabilities, EnvironmentInfo, LockgateCapabilities, StatusResult,
};
use lockgate_wire::lockgate::process::ListResult;
use lockgate_wire::{Empty, Method, NoParams, WirePath};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::calls::Calls;
use crate::routes::Begins;
use crate::{Approver, Awaited, ClientError, ConnectOptions, ConnectionState, limits};

/// A connection to an executor, past the handshake. Clones share it; it is closed when the last one is gone.
#[derive(Clone)]
pub struct Client {
    connection: Arc<Connection>,
    /// Who answers questions about what is called through this one, if it is not the connection's approver.
    approver: Option<Approver>,
}

pub(crate) struct Connection {
    calls: Arc<Calls>,
    in_flight: Semaphore,
    call_timeout: Option<Duration>,
    wait_for_readers: bool,
    pub(crate) session_id: String,
    pub(crate) environment: Option<EnvironmentInfo>,
    /// A write that is repeated under its name arrives once.
    pub(crate) knows_writes: bool,
    stop: watch::Sender<bool>,
    pub(crate) task: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn of(connection: Connection) -> Client {
        Client {
            connection: Arc::new(connection),
            approver: None,
        }
    }

    /// The same connection, with an approver of its own: questions about what is called through this handle, and through what it gives (processes, files), are put to
    /// that one. When a call is given up, what is asked about it afterwards is denied.
    ///
    /// The connection has to have been opened with an approver ([`ConnectOptions::approver`]), for that is how a server knows that it may ask. That one has the questions
    /// about all other calls, and all of a server that does not say what it asks about ([`ApprovalParams::request_id`](crate::ApprovalParams::request_id)).
    pub fn with_approver(&self, approver: Approver) -> Client {
        Client {
            connection: Arc::clone(&self.connection),
            approver: Some(approver),
        }
    }

    /// Names the session, for resuming it.
    pub fn session_id(&self) -> &str {
        &self.connection.session_id
    }

    /// What the server said about its machine, in the handshake or (June 2026) when it was asked; servers of May 2026 say nothing.
    pub fn environment(&self) -> Option<&EnvironmentInfo> {
        self.connection.environment.as_ref()
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

    /// True when the server announced `everyEntry` of `fs/readDirectory`.
    pub fn lists_every_entry(&self) -> bool {
        self.ours().is_some_and(|ours| ours.every_entry)
    }

    /// True when the server announced `everyAttribute` of `fs/getMetadata`.
    pub fn tells_every_attribute(&self) -> bool {
        self.ours().is_some_and(|ours| ours.every_attribute)
    }

    /// True when the server announced `pruneLinks` of `fs/walk`.
    pub fn prunes_links(&self) -> bool {
        self.ours().is_some_and(|ours| ours.prune_links)
    }

    /// True when the server announced `leaveOut` of `fs/copy`.
    pub fn copies_leaving_out(&self) -> bool {
        self.ours().is_some_and(|ours| ours.copy_leaves_out)
    }

    fn ours(&self) -> Option<&LockgateCapabilities> {
        self.capabilities()?.lockgate.as_ref()
    }

    /// `path` as this server reads it: a URI, or the native path for servers of May 2026.
    pub fn path(&self, path: AbsPath) -> WirePath {
        if self.environment().is_some() {
            WirePath::uri(path)
        } else {
            WirePath::native(path)
        }
    }

    /// Calls any method. Dropping the future forgets the call; the server still carries it out if it was sent.
    ///
    /// While the connection is away the call waits for it to be back, within its timeout. One that was in flight when the link was lost
    /// fails with [`ClientError::Interrupted`] and is not repeated, whatever the method: the typed calls know which of them only look, and repeat these.
    pub async fn call<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, ClientError> {
        self.begin(method, params, Begins::Nothing).await
    }

    /// The same for a call with which something begins that the server tells of.
    pub(crate) async fn begin<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
        begins: Begins<'_>,
    ) -> Result<R, ClientError> {
        let connection = &self.connection;
        let placing = async {
            let closed = |_| ClientError::Closed("it was closed here".into());
            let permit = connection.in_flight.acquire().await.map_err(closed)?;
            Ok((
                connection
                    .calls
                    .place(begins, self.approver.as_ref())
                    .await?,
                permit,
            ))
        };
        let deadline = connection.deadline();
        let (ticket, _permit) = deadline.hold(|| turn(method), placing).await?;
        let answer = deadline.hold(|| answer(method), ticket.ask(method, params));
        answer.await?.decode(method)
    }

    /// The same without waiting for others that are in flight: for cleaning up.
    pub(crate) async fn call_beyond_limit<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, ClientError> {
        self.begin_beyond_limit(method, params, Begins::Nothing)
            .await
    }

    /// The same for a call that concerns what the server tells of.
    pub(crate) async fn begin_beyond_limit<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
        begins: Begins<'_>,
    ) -> Result<R, ClientError> {
        let connection = &self.connection;
        let deadline = connection.deadline();
        let placing = connection.calls.place(begins, self.approver.as_ref());
        let ticket = deadline.hold(|| turn(method), placing).await?;
        let answer = deadline.hold(|| answer(method), ticket.ask(method, params));
        answer.await?.decode(method)
    }

    /// `environment/info`; [`Self::environment`] has what was said when the connection was opened.
    pub async fn environment_info(&self) -> Result<EnvironmentInfo, ClientError> {
        self.look(Method::EnvironmentInfo, &NoParams).await
    }

    /// `environment/status`: succeeds when the server is ready.
    pub async fn status(&self) -> Result<(), ClientError> {
        let StatusResult { .. } = self.look(Method::EnvironmentStatus, &NoParams).await?;
        Ok(())
    }

    /// Extension: the processes of this session.
    pub async fn processes(&self) -> Result<ListResult, ClientError> {
        self.look(Method::LockgateProcessList, &Empty {}).await
    }

    /// Whether the connection has ended for good, for whatever reason. One that is away has not.
    pub fn is_closed(&self) -> bool {
        self.calls().ended().is_some()
    }

    /// How the connection is: there, away, or ended.
    pub fn state(&self) -> ConnectionState {
        self.calls().told().borrow().clone()
    }

    /// The same, to be told of each change. It does not keep the connection.
    pub fn states(&self) -> watch::Receiver<ConnectionState> {
        self.calls().told().subscribe()
    }

    /// Since when nothing is heard of the server although it was asked for a sign of life, while that is so: for a person who waits. Most
    /// often something is heard again. Else a websocket is lost after [`limits::SILENCE`], and the one below a stream through a rendezvous is replaced, which
    /// costs no call.
    pub fn silence(&self) -> watch::Receiver<Option<std::time::Instant>> {
        self.calls().silence().subscribe()
    }

    /// Ends the connection, for all clones, and waits until that is done; a spawned server is gone afterwards.
    pub async fn close(self) {
        let _ = self.connection.stop.send(true);
        let task = self
            .connection
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }

    /// Whether the server knows a write by its name, as those do that say of themselves what they are in the handshake.
    pub(crate) fn knows_writes(&self) -> bool {
        self.connection.knows_writes
    }

    pub(crate) fn waits_for_readers(&self) -> bool {
        self.connection.wait_for_readers
    }

    pub(crate) fn calls(&self) -> &Calls {
        self.connection.calls()
    }
}

impl Connection {
    /// Before its handshake.
    pub(crate) fn new(
        calls: Arc<Calls>,
        stop: watch::Sender<bool>,
        options: &ConnectOptions,
    ) -> Connection {
        Connection {
            calls,
            in_flight: Semaphore::new(limits::IN_FLIGHT),
            call_timeout: options.call_timeout,
            wait_for_readers: options.wait_for_readers,
            session_id: String::new(),
            environment: None,
            knows_writes: false,
            stop,
            task: Mutex::default(),
        }
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Of a call that is made now.
    fn deadline(&self) -> Deadline {
        let after = self.call_timeout;
        Deadline(after.and_then(|after| Some((Instant::now().checked_add(after)?, after))))
    }
}

/// When a call is given up, and how long it has until then. None: never.
#[derive(Clone, Copy)]
struct Deadline(Option<(Instant, Duration)>);

impl Deadline {
    async fn hold<T>(
        self,
        of: impl FnOnce() -> Awaited,
        step: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let Some((at, after)) = self.0 else {
            return step.await;
        };
        let late = || Err(ClientError::Timeout { of: of(), after });
        // Else it would depend on the clock's tick whether there is time for it.
        if after.is_zero() {
            return late();
        }
        timeout_at(at, step).await.unwrap_or_else(|_| late())
    }
}

fn turn(method: &str) -> Awaited {
    Awaited::Turn {
        method: method.to_owned(),
    }
}

fn answer(method: &str) -> Awaited {
    Awaited::Answer {
        method: method.to_owned(),
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What was queued is still written; this only bounds the time that may take.
        let _ = self.stop.send(true);
    }
}
