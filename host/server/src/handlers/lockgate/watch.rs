//! `lockgate/fs/watch`, `lockgate/fs/unwatch`.

use std::sync::Arc;

use lockgate_capfs::Workers;
use lockgate_capfs::workers::Patience;
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::Empty;
use lockgate_wire::lockgate::watch::{UnwatchParams, WatchParams};

use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::handlers::files::{Gate, Raw};
use crate::lane::{Asked, Order, Work};
use crate::policy::{Permit, file_verb};
use crate::watches::Told;

pub(crate) fn watch(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: WatchParams<Raw<'_>> = request.params()?;
    let gate = Gate::new(caller, params.sandbox)?;
    let watches = Arc::clone(caller.watches());
    let (path, recursive) = (params.path.path.clone(), params.recursive);
    let told = watches.take(params.watch_id, params.path, caller.outbox())?;
    let service = Arc::clone(caller.service());
    let (workers, patience) = (service.workers().clone(), service.patience());
    let wake = {
        let (told, workers) = (Arc::downgrade(&told), workers.clone());
        move || {
            if let Some(told) = told.upgrade() {
                look(&told, &workers, patience);
            }
        }
    };
    let quota = watches.quota().clone();
    let question = gate.question(caller, || {
        file_verb(FileVerb::Watch, &path, Access::Read).recursive(recursive)
    });
    let job = move |_: &Asked, permit: Permit| {
        let (files, watcher) = (gate.files_to_look_at(&permit)?, service.watcher()?);
        Ok(files.watch(&watcher, &quota, &path, recursive, wake)?)
    };
    let done = move |work: Work, begun| match begun {
        Ok(watch) => {
            told.begun(watch);
            work.pending.finish(Ok(Empty {}));
            // Whoever was woken before it had begun has seen nothing to do.
            look(&told, &workers, patience);
        }
        Err(failure) => {
            watches.end_this(&told);
            work.pending.fail(&failure);
        }
    };
    let pending = caller.pending(request);
    // Alone: what was sent before has happened before, what is sent after is told.
    let decide = move |_: &Asked| question.decide();
    caller
        .files()
        .guarded(Order::Alone, pending, decide, job, done);
    Ok(Answer::Later)
}

/// Has a thread look at what has happened. Where that hangs this watch is silent until it comes back, and no other one.
fn look(told: &Arc<Told>, workers: &Workers, patience: Patience) {
    let (told, silent) = (Arc::clone(told), Arc::clone(told));
    workers.run(
        patience,
        move || told.work(),
        move |outcome| {
            if let Err(not_done) = outcome {
                silent.missed(&not_done);
            }
        },
    );
}

pub(crate) fn unwatch(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: UnwatchParams = request.params()?;
    caller.watches().end(&params.watch_id);
    request.reply(&Empty {})
}
