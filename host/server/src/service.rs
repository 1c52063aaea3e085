//! What all connections of a server share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use lockgate_capfs::workers::Patience;
use lockgate_capfs::{CapFs, Files, GuestSource, Watcher, Workers};
use lockgate_grant::Sandbox;
use lockgate_grant::narrowing::{self, GrantEntry};
use lockgate_grant::profile::{Network, Permissions};
use lockgate_wire::environment::EnvironmentInfo;

use crate::budget::Budget;
use crate::failure::Failure;
use crate::http::Egress;
use crate::limits;
use crate::options::{Options, ProcessSandbox};
use crate::outbox::Outbox;
use crate::policy::{Judge, Permit};
use crate::session::Sessions;

/// The shared state of a server.
pub(crate) struct Service {
    options: Options,
    environment: EnvironmentInfo,
    sessions: Arc<Sessions>,
    processes: lockgate_process::Engine,
    /// Where file calls run, sandboxed or not.
    workers: Workers,
    /// Made in the background at start: compiling the guest for the first time takes longer than
    /// listening should wait.
    capfs: OnceLock<Result<CapFs, String>>,
    open_files: Budget,
    egress: Arc<Egress>,
    /// Made for the first watch: most servers never have one.
    watcher: Mutex<Option<Watcher>>,
    connections: AtomicU64,
    /// The connections there are, to be woken when the server stops.
    live: Mutex<HashMap<u64, Arc<Outbox>>>,
    stopping: AtomicBool,
}

impl Service {
    pub(crate) fn new(options: Options, processes: lockgate_process::Engine) -> Arc<Service> {
        let service = Arc::new_cyclic(|this: &Weak<Service>| {
            let this = Weak::clone(this);
            let forget = move |session| {
                if let Some(service) = this.upgrade() {
                    service.forget(session);
                }
            };
            Service {
                environment: crate::environment::describe(&options),
                egress: Arc::new(Egress::new(options.http.clone())),
                options,
                sessions: Sessions::new(forget),
                processes,
                workers: Workers::default(),
                capfs: OnceLock::new(),
                open_files: Budget::new(),
                watcher: Mutex::default(),
                connections: AtomicU64::new(1),
                live: Mutex::default(),
                stopping: AtomicBool::new(false),
            }
        });
        let warm = Arc::clone(&service);
        tokio::task::spawn_blocking(move || {
            if let Err(reason) = warm.capfs()
                && warm.gate_was_left_to_us()
            {
                tracing::error!(reason, "sandboxed file requests will be refused");
            }
        });
        tokio::spawn(tidy(Arc::downgrade(&service)));
        service
    }

    /// A gate that the operator chose something about is there before anybody is served, or nobody is. Where nothing was chosen,
    /// it is made while the first clients connect.
    pub(crate) async fn gate_as_asked_for(self: &Arc<Service>) -> Result<(), String> {
        if self.gate_was_left_to_us() {
            return Ok(());
        }
        let service = Arc::clone(self);
        let made =
            tokio::task::spawn_blocking(move || service.capfs().map(drop).map_err(str::to_owned));
        made.await.map_err(|error| error.to_string())?
    }

    /// The operator chose nothing about the gate.
    fn gate_was_left_to_us(&self) -> bool {
        let options = &self.options.capfs;
        matches!(options.guest, GuestSource::Stock) && options.path_back_end.is_none()
    }

    /// Who decides over what clients ask for, if anybody does.
    pub(crate) fn judge(&self) -> Option<&Arc<dyn Judge>> {
        self.options.policy.as_ref().map(|policy| &policy.judge)
    }

    pub(crate) fn environment(&self) -> &EnvironmentInfo {
        &self.environment
    }

    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    pub(crate) fn processes(&self) -> &lockgate_process::Engine {
        &self.processes
    }

    pub(crate) fn open_files(&self) -> Budget {
        self.open_files.clone()
    }

    /// The way out for HTTP requests.
    pub(crate) fn egress(&self) -> &Arc<Egress> {
        &self.egress
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// How long a file call may take.
    pub(crate) fn patience(&self) -> Patience {
        self.options.capfs.times.patience()
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// The capability gate. Waits for it if it is not ready yet.
    fn capfs(&self) -> Result<&CapFs, &str> {
        let made = self.capfs.get_or_init(|| {
            CapFs::new(self.options.capfs.clone()).map_err(|error| error.to_string())
        });
        made.as_ref().map_err(String::as_str)
    }

    /// The gate's files for a profile and what policies leave of it; direct access where nothing is restricted. May block.
    pub(crate) fn confine(
        &self,
        sandbox: Option<&Arc<Sandbox>>,
        grants: &[Vec<GrantEntry>],
        session: u64,
    ) -> Result<Files, Failure> {
        Ok(self
            .made_capfs()?
            .confine_within(sandbox, grants, session)?)
    }

    /// The files of a request that nothing restricts and that changes something. Where policies hold, these are not what they are made of: whoever
    /// could write that could switch them off. May block.
    pub(crate) fn around_own(&self, session: u64) -> Result<Files, Failure> {
        if self.judge().is_none() {
            return Ok(Files::Direct);
        }
        Ok(self.made_capfs()?.around_own(session))
    }

    fn made_capfs(&self) -> Result<&CapFs, Failure> {
        self.capfs().map_err(|reason| {
            Failure::invalid_request(format!("failed to prepare fs sandbox: {reason}"))
        })
    }

    /// [`Service::confine`] where the answer is at hand without blocking.
    pub(crate) fn at_hand(
        &self,
        sandbox: Option<&Arc<Sandbox>>,
        grants: &[Vec<GrantEntry>],
        session: u64,
    ) -> Option<Files> {
        let capfs = self.capfs.get()?.as_ref().ok()?;
        capfs.at_hand_within(sandbox, grants, session)
    }

    /// What all watches share. Tried again after a failure: the system may have room by then.
    pub(crate) fn watcher(&self) -> Result<Watcher, Failure> {
        let mut made = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match &*made {
            Some(watcher) => watcher.clone(),
            None => made.insert(Watcher::new()?).clone(),
        })
    }

    /// Gives back what the gate keeps for a session.
    fn forget(&self, session: u64) {
        if let Some(Ok(capfs)) = self.capfs.get() {
            capfs.forget(session);
        }
    }

    /// Whether a process may run with this sandbox. Processes are native: WebAssembly does not confine
    /// them, so a sandbox that restricts anything is refused, unless the operator has declared that this
    /// host is itself the sandbox. It is never ignored silently.
    pub(crate) fn check_process_sandbox(&self, restricts: bool) -> Result<(), Failure> {
        if restricts && self.options.process_sandbox == ProcessSandbox::Refuse {
            return Err(Failure::invalid_params(
                "sandbox intent cannot be enforced on this executor: it does not confine processes. Ask without a sandbox; or, if the machine that \
                 the executor runs on is itself the sandbox (a container, a VM), have the executor started with \
                 `lockgate serve --process-sandbox external`, which runs such processes without confining them",
            ));
        }
        Ok(())
    }

    /// The same for what a policy leaves of the files: it is the policy that allows less than a process could do.
    pub(crate) fn check_process_grants(&self, permit: &Permit) -> Result<(), Failure> {
        if self.options.process_sandbox == ProcessSandbox::Refuse
            && narrowing::restricts(&permit.grants)
        {
            return Err(Failure::invalid_request(
                "a policy allows this process only some of the files, and this executor does not confine processes: it was not started; \
                 use file requests instead; or, if the machine that the executor runs on is itself the sandbox (a container, a VM), have \
                 its operator start it with `lockgate serve --process-sandbox external`, which runs such processes without confining them",
            ));
        }
        Ok(())
    }

    /// Whether a process's sandbox asks for anything to be confined. May block.
    pub(crate) fn restricts(&self, sandbox: Option<&Sandbox>) -> Result<bool, Failure> {
        Ok(match sandbox.map(|sandbox| &sandbox.permissions) {
            None | Some(Permissions::Disabled | Permissions::External { .. }) => false,
            Some(Permissions::Managed {
                network: Network::Restricted,
                ..
            }) => true,
            Some(Permissions::Managed {
                network: Network::Enabled,
                ..
            }) => {
                let sandbox = sandbox.cloned().map(Arc::new);
                !matches!(
                    self.confine(sandbox.as_ref(), &[], u64::MAX)?,
                    Files::Direct
                )
            }
        })
    }

    /// Tells every connection to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for outbox in self.live().values() {
            outbox.wake();
        }
    }

    /// Whether the server was told to stop. A flag, looked at when a connection is woken anyway: a future
    /// to wait for would be polled with every message.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A connection has begun.
    pub(crate) fn joined(&self, connection: u64, outbox: &Arc<Outbox>) {
        self.live().insert(connection, Arc::clone(outbox));
    }

    /// A connection has ended.
    pub(crate) fn left(&self, connection: u64) {
        self.live().remove(&connection);
    }

    fn live(&self) -> MutexGuard<'_, HashMap<u64, Arc<Outbox>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back, as long as the server lives, the guests that sessions have left idle.
async fn tidy(service: Weak<Service>) {
    let mut tick = tokio::time::interval(limits::IDLE_GUEST);
    loop {
        tick.tick().await;
        let Some(service) = service.upgrade() else {
            return;
        };
        if let Some(Ok(capfs)) = service.capfs.get() {
            capfs.give_up_unused(limits::IDLE_GUEST);
        }
    }
}
