//! `lockgate/process/*`: window size, end of input, every signal, a list of what runs, and what was read of its events.

use std::sync::Arc;

use lockgate_process::Signal;
use lockgate_wire::lockgate::process::{
    AcknowledgeParams, CloseStdinParams, ListResult, ListedProcess, ResizeParams, SignalParams,
};
use lockgate_wire::{Empty, NoParams};

use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::handlers::processes::{known, send_signal, session, started, turn, unknown};
use crate::queued::queued;

pub(crate) fn resize(caller: &Caller, request: Request<'_>) -> Answered {
    let params: ResizeParams = request.params()?;
    let slot = known(caller, params.process_id.as_str())?;
    let pending = caller.pending(request);
    tokio::spawn(async move {
        let outcome = match started(&slot).await {
            None => Err(unknown(params.process_id.as_str())),
            Some(process) => process
                .resize(params.rows, params.cols)
                .map(|()| Empty {})
                .map_err(|error| {
                    Failure::invalid_request(format!("cannot resize the process: {error}"))
                }),
        };
        pending.finish(outcome);
    });
    Ok(Answer::Later)
}

pub(crate) fn close_stdin(caller: &Caller, request: Request<'_>) -> Answered {
    let params: CloseStdinParams = request.params()?;
    let slot = known(caller, params.process_id.as_str())?;
    let outbox = Arc::clone(caller.outbox());
    let close = queued(async move {
        let _turn = turn(&slot, &outbox).await?;
        let process = slot
            .process()
            .ok_or_else(|| unknown(params.process_id.as_str()))?;
        process
            .close_stdin()
            .await
            .map(|()| Empty {})
            .map_err(|error| Failure::invalid_request(format!("cannot close stdin: {error}")))
    });
    match close {
        Ok(outcome) => request.reply(&outcome?),
        Err(waiting) => {
            let pending = caller.pending(request);
            tokio::spawn(async move {
                let outcome = waiting.await;
                pending.finish(outcome);
            });
            Ok(Answer::Later)
        }
    }
}

pub(crate) fn signal(caller: &Caller, request: Request<'_>) -> Answered {
    let params: SignalParams = request.params()?;
    let signal = Signal::from_name(&params.signal).ok_or_else(|| {
        Failure::invalid_params("unknown signal: use a name such as `TERM`, `SIGHUP` or `WINCH`")
    })?;
    let slot = known(caller, params.process_id.as_str())?;
    send_signal(caller, request, slot, signal)
}

/// Of a process that is still starting nothing was read yet.
pub(crate) fn acknowledge(caller: &Caller, request: Request<'_>) -> Answered {
    let params: AcknowledgeParams = request.params()?;
    let slot = known(caller, params.process_id.as_str())?;
    if let Some(process) = slot.process() {
        match params.seq {
            Some(seq) => process.log().acknowledge(seq),
            None => process.log().let_go(),
        }
    }
    request.reply(&Empty {})
}

pub(crate) fn list(caller: &Caller, request: Request<'_>) -> Answered {
    let NoParams = request.params()?;
    let mut processes: Vec<_> = session(caller)?
        .processes()
        .into_iter()
        .filter_map(|(id, slot)| {
            let process = slot.process()?;
            let exit_code = process.log().exit_code();
            let listed = ListedProcess {
                process_id: id.into(),
                pid: process.pid(),
                tty: process.is_tty(),
                exited: exit_code.is_some(),
                exit_code,
            };
            Some((process.id(), listed))
        })
        .collect();
    // The engine numbers processes as they start.
    processes.sort_by_key(|(number, _)| *number);
    let processes = processes.into_iter().map(|(_, listed)| listed).collect();
    request.reply(&ListResult { processes })
}
