//! `fs/watchMissing`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use lockgate_capfs::{AbsPath, FsError};
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::fs::{WatchMissingParams, WatchMissingResult};

use super::gate::{Gate, Raw};
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::lane::{Asked, Order, Work};
use crate::limits;
use crate::missing::{Awaited, Missing, awaited_at, exists};
use crate::policy::{Permit, file_verb};

pub(crate) fn watch_missing(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: WatchMissingParams<Raw<'_>> = request.params()?;
    if params.missing.len() > limits::MISSING_PATHS {
        return Err(Failure::invalid_params(format!(
            "missing must have at most {} paths, it has {}",
            limits::MISSING_PATHS,
            params.missing.len()
        )));
    }
    let gate = Gate::new(caller, params.sandbox)?;
    let paths: Vec<AbsPath> = params.missing.into_iter().map(|path| path.path).collect();
    let missing = caller.missed().take(params.watch_id, caller.outbox())?;
    let service = Arc::clone(caller.service());
    let (workers, patience) = (service.workers().clone(), service.patience());
    let look = move |missing: Arc<Missing>| {
        let silent = Arc::clone(&missing);
        let done = move |outcome: Result<(), _>| {
            if let Err(not_done) = outcome {
                silent.missed(&not_done);
            }
        };
        workers.run(patience, move || missing.work(), done);
    };
    let wake = {
        let (missing, look) = (Arc::downgrade(&missing), look.clone());
        move || {
            if let Some(missing) = missing.upgrade() {
                look(missing);
            }
        }
    };
    let quota = caller.watches().quota().clone();
    let question = gate.questions(caller, || {
        let looked_at = |path| file_verb(FileVerb::Watch, path, Access::Look);
        paths.iter().map(looked_at).collect()
    });
    let job = move |_: &Asked, permit: Permit| {
        let files = gate.files_to_look_at(&permit)?;
        let mut places: HashMap<AbsPath, Vec<OsString>> = HashMap::new();
        for path in &paths {
            lockgate_capfs::workers::alive();
            if let Some((directory, name)) = awaited_at(&files, path)? {
                places.entry(directory).or_default().push(name);
            }
        }
        let mut watched = Vec::new();
        let mut came_meanwhile = false;
        for (directory, names) in places {
            let begun = files.watch_arrivals(&service.watcher()?, &quota, &directory, wake.clone());
            match begun {
                Ok(watch) => {
                    for name in &names {
                        let path = directory
                            .join(name)
                            .map_err(|_| Failure::internal("a name"))?;
                        came_meanwhile |= exists(&files, &path)?.is_some();
                    }
                    watched.push(Awaited { watch, names });
                }
                Err(error @ (FsError::Gate(_) | FsError::Watch(_))) => return Err(error.into()),
                // It may be seen and not listed: what comes there would not be told anyway.
                Err(_) => {}
            }
        }
        if came_meanwhile {
            // As if the watch had seen it: the client looks again.
            watched
                .iter()
                .for_each(|awaited| awaited.watch.missed(true));
        }
        Ok(watched)
    };
    let done = move |work: Work, outcome: Result<Vec<Awaited>, Failure>| {
        let watching = outcome.map(|watched| {
            let watching = !watched.is_empty();
            missing.begun(watched);
            watching
        });
        if !matches!(watching, Ok(true)) {
            missing.end();
        }
        work.pending
            .finish(watching.map(|watching| WatchMissingResult { watching }));
        look(missing);
    };
    let pending = caller.pending(request);
    let decide = move |_: &Asked| question.decide();
    caller
        .files()
        .guarded(Order::Alone, pending, decide, job, done);
    Ok(Answer::Later)
}
