//! `process/*` but for reading.

mod start;
mod write;

use std::sync::Arc;

use lockgate_process::{Process, Signal};
use lockgate_wire::Empty;
use lockgate_wire::process::{SignalParams, TerminateParams, TerminateResult};

use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::session::Session;
use crate::slot::Slot;

pub(crate) use start::start;
pub(crate) use write::{turn, write};

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
