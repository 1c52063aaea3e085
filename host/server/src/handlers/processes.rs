//! `process/*` but for reading (PROTOCOL 4, PROTOCOL-LATER 2).

use std::sync::Arc;

use lockgate_process::{Process, Readers, Signal, Spawn, Stdio, environment};
use lockgate_wire::process::{
    EnvPolicy, Inherit, SignalParams, StartParams, StartResult, TerminateParams, TerminateResult,
    WriteParams, WriteResult, WriteStatus,
};
use lockgate_wire::{Empty, ProcessId};
use tokio::sync::OwnedMutexGuard;

use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::lane::{Asked, Order, Work};
use crate::limits;
use crate::outbox::Outbox;
use crate::service::Service;
use crate::session::{ReserveError, Session};
use crate::slot::Slot;

pub(crate) fn start(caller: &Caller, request: Request<'_>) -> Answered {
    let params: StartParams = request.params()?;
    check(&params)?;
    let session = session(caller)?;
    let id = params.process_id.clone();
    let slot = session.reserve(id.as_str()).map_err(|error| {
        Failure::invalid_request(match error {
            ReserveError::Exists => format!("process {id} already exists"),
            ReserveError::TooMany => format!(
                "the session already has {} processes: wait for some to end",
                limits::PROCESSES
            ),
            ReserveError::Ended => "the session has ended".to_owned(),
        })
    })?;
    // Writes and reads for this process wait here until it runs.
    let starting = Arc::clone(&slot.order).try_lock_owned();
    let reservation = Arc::new(Reservation { session, slot, id });
    let service = Arc::clone(caller.service());
    let of_job = Arc::clone(&reservation);
    let job = move |asked: &Asked| {
        let _runtime = asked.runtime().enter();
        launch(&service, &of_job, params)
    };
    let done = move |work: Work, outcome: Result<StartResult, Failure>| {
        if outcome.is_err() {
            // A start that hangs, in a directory that does not answer, is ended when it comes back.
            reservation.give_back();
        }
        drop(reservation);
        work.pending.finish(outcome);
        // Now those who wait for the process are answered.
        drop(starting);
    };
    caller
        .files()
        .run(Order::Shared, caller.pending(request), job, done);
    Ok(Answer::Later)
}

/// A process id that was taken for a start. Given back unless a process came of it, also when the start
/// is never run because its connection is gone: the client that resumes may use the id.
struct Reservation {
    session: Arc<Session>,
    slot: Arc<Slot>,
    id: ProcessId,
}

impl Reservation {
    /// Cancels what has not come to a process yet, and gives the id back.
    fn give_back(&self) {
        if self.slot.cancel() {
            self.session.release(self.id.as_str(), &self.slot);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What can be refused before anything is reserved.
fn check(params: &StartParams) -> Result<(), Failure> {
    let id = params.process_id.as_str();
    if id.is_empty() || id.len() > limits::PROCESS_ID_BYTES {
        let text = format!(
            "processId must have 1 to {} bytes",
            limits::PROCESS_ID_BYTES
        );
        return Err(Failure::invalid_params(text));
    }
    if params.argv.is_empty() {
        return Err(Failure::invalid_params("argv must not be empty"));
    }
    let managed = [
        ("enforceManagedNetwork", params.enforce_managed_network),
        ("managedNetwork", params.managed_network.is_some()),
        ("networkProxy", params.network_proxy.is_some()),
        ("shellSnapshot", params.shell_snapshot.is_some()),
    ];
    match managed.iter().find(|(_, asked)| *asked) {
        Some((member, _)) => Err(Failure::invalid_params(format!(
            "sandbox intent cannot be enforced on this executor: `{member}` is not supported"
        ))),
        None => Ok(()),
    }
}

fn launch(
    service: &Service,
    reservation: &Reservation,
    params: StartParams,
) -> Result<StartResult, Failure> {
    let waits_for_reader = params.wait_for_reader;
    let Reservation { session, slot, id } = reservation;
    let cancelled = || Failure::invalid_request(format!("process {id} start was cancelled"));
    // It may have waited for its turn, and what is cancelled must not even begin.
    if slot.is_cancelled() {
        return Err(cancelled());
    }
    let process = service
        .check_process_sandbox(params.sandbox.as_ref())
        .and_then(|()| {
            let stdio = match (params.tty, params.size) {
                (true, Some(size)) => Stdio::Tty {
                    rows: size.rows,
                    cols: size.cols,
                },
                (true, None) => Stdio::Tty { rows: 24, cols: 80 },
                (false, _) => Stdio::Pipes {
                    stdin: params.pipe_stdin,
                },
            };
            let spawn = Spawn {
                argv: params.argv.into_iter().map(Into::into).collect(),
                arg0: params.arg0.map(Into::into),
                cwd: params.cwd.path.as_path().to_owned(),
                env: environment::build(
                    std::env::vars_os(),
                    policy(params.env_policy).as_ref(),
                    params
                        .env
                        .into_iter()
                        .map(|(name, value)| (name.into(), value.into())),
                ),
                stdio,
                readers: match params.wait_for_reader {
                    true => Readers::Needed,
                    false => Readers::Optional,
                },
            };
            service.processes().spawn(spawn).map_err(Failure::from)
        })?;
    if !waits_for_reader {
        slot.reading.allow();
    }
    if !session.started(id.as_str(), slot, &process) {
        return Err(cancelled());
    }
    Ok(StartResult {
        process_id: id.clone(),
        sandbox_type: Some("none".to_owned()),
    })
}

fn policy(policy: Option<EnvPolicy>) -> Option<environment::Policy> {
    policy.map(|policy| environment::Policy {
        inherit: match policy.inherit {
            Inherit::Core => environment::Inherit::Core,
            Inherit::All => environment::Inherit::All,
            Inherit::None => environment::Inherit::None,
        },
        ignore_default_excludes: policy.ignore_default_excludes,
        exclude: policy.exclude,
        set: policy.set,
        include_only: policy.include_only,
    })
}

pub(crate) fn write(caller: &Caller, request: Request<'_>) -> Answered {
    let params: WriteParams<'_> = request.params()?;
    let data = params
        .chunk
        .decode()
        .map_err(|error| Failure::invalid_params(format!("chunk is not base64: {error}")))?;
    if let Some(id) = &params.write_id
        && id.len() > limits::WRITE_ID_BYTES
    {
        return Err(Failure::invalid_params(format!(
            "writeId must have at most {} bytes, it has {}",
            limits::WRITE_ID_BYTES,
            id.len()
        )));
    }
    let Some(slot) = session(caller)?.slot(params.process_id.as_str()) else {
        return request.reply(&WriteResult {
            status: WriteStatus::UnknownProcess,
        });
    };
    let outbox = Arc::clone(caller.outbox());
    let mut write = Box::pin(async move {
        match turn(&slot, &outbox).await {
            Ok(turn) => (write_now(&slot, data, params.write_id).await, Some(turn)),
            Err(failure) => (Err(failure), None),
        }
    });
    // The first poll queues the write behind those before it; mostly it is also the last.
    match futures_util::FutureExt::now_or_never(write.as_mut()) {
        Some((outcome, _turn)) => request.reply(&outcome?),
        None => {
            let pending = caller.pending(request);
            tokio::spawn(async move {
                let (outcome, turn) = write.await;
                // The next one's answer comes after this one.
                pending.finish(outcome);
                drop(turn);
            });
            Ok(Answer::Later)
        }
    }
}

/// A write's turn, after those that came before it.
async fn turn(slot: &Slot, outbox: &Outbox) -> Result<OwnedMutexGuard<()>, Failure> {
    tokio::select! {
        biased;
        turn = Arc::clone(&slot.order).lock_owned() => Ok(turn),
        // Else a client that comes and goes could leave any number of writes to wait for a process that does
        // not read. A write whose turn has come is not given up: its id would be lost with it.
        () = outbox.closed() => Err(Failure::internal("the connection is gone")),
    }
}

async fn write_now(
    slot: &Slot,
    data: Vec<u8>,
    write_id: Option<String>,
) -> Result<WriteResult, Failure> {
    let Some(process) = slot.process() else {
        return Ok(WriteResult {
            status: WriteStatus::UnknownProcess,
        });
    };
    if !process.accepts_stdin() {
        return Ok(WriteResult {
            status: WriteStatus::StdinClosed,
        });
    }
    if write_id.as_deref().is_some_and(|id| slot.was_written(id)) {
        return Ok(WriteResult {
            status: WriteStatus::Accepted,
        });
    }
    process
        .write(data)
        .await
        .map_err(|_| Failure::internal("failed to write to process stdin"))?;
    if let Some(id) = &write_id {
        slot.written(id);
    }
    Ok(WriteResult {
        status: WriteStatus::Accepted,
    })
}

pub(crate) fn signal(caller: &Caller, request: Request<'_>) -> Answered {
    let params: SignalParams = request.params()?;
    let lockgate_wire::process::Signal::Interrupt = params.signal;
    match session(caller)?.slot(params.process_id.as_str()) {
        Some(slot) => send_signal(caller, request, slot, Signal::INTERRUPT),
        // Not an error: the process may have ended and been forgotten in the meantime.
        None => request.reply(&Empty {}),
    }
}

/// Signals a process, after its start if that is under way.
pub(crate) fn send_signal(
    caller: &Caller,
    request: Request<'_>,
    slot: Arc<Slot>,
    signal: Signal,
) -> Answered {
    let deliver = move |process: &Process| {
        process
            .signal(signal)
            .map(|()| Empty {})
            .map_err(|error| Failure::internal(format!("failed to signal process: {error}")))
    };
    if let Some(process) = slot.process() {
        return request.reply(&deliver(&process)?);
    }
    let pending = caller.pending(request);
    tokio::spawn(async move {
        match started(&slot).await {
            Some(process) => pending.finish(deliver(&process)),
            None => pending.finish(Ok(Empty {})),
        }
    });
    Ok(Answer::Later)
}

pub(crate) fn terminate(caller: &Caller, request: Request<'_>) -> Answered {
    let params: TerminateParams = request.params()?;
    let session = session(caller)?;
    let id = params.process_id.as_str();
    let running = match session.slot(id) {
        None => false,
        Some(slot) => match slot.process() {
            // Looks for the jobs of its shell, which may be many: not on a thread that others share.
            Some(process) if process.is_tty() => {
                let pending = caller.pending(request);
                tokio::task::spawn_blocking(move || {
                    let running = process.terminate();
                    pending.finish(Ok(TerminateResult { running }));
                });
                return Ok(Answer::Later);
            }
            Some(process) => process.terminate(),
            None => {
                let cancelled = slot.cancel();
                if cancelled {
                    session.release(id, &slot);
                }
                cancelled
            }
        },
    };
    request.reply(&TerminateResult { running })
}

/// The process of a slot, after its start if that is under way; none if the start failed.
pub(crate) async fn started(slot: &Slot) -> Option<Arc<Process>> {
    if let Some(process) = slot.process() {
        return Some(process);
    }
    drop(slot.order.lock().await);
    slot.process()
}

/// The session of a connection that is past its handshake.
pub(crate) fn session(caller: &Caller) -> Result<Arc<Session>, Failure> {
    let session = caller.session().cloned();
    session.ok_or_else(|| Failure::internal("the connection has no session"))
}

/// The slot of a process that must exist.
pub(crate) fn known(caller: &Caller, process_id: &str) -> Result<Arc<Slot>, Failure> {
    session(caller)?
        .slot(process_id)
        .ok_or_else(|| unknown(process_id))
}

pub(crate) fn unknown(process_id: &str) -> Failure {
    Failure::invalid_request(format!("unknown process id {process_id}"))
}
