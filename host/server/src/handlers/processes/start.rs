//! `process/start`: the environment, the program that a policy is asked about and that is then the one to run, and the start itself.

use std::sync::Arc;

use lockgate_policy_gate::ActionKind;
use lockgate_process::{Bounds, Readers, Spawn, Stdio, environment};
use lockgate_wire::ProcessId;
use lockgate_wire::lockgate::process::ReaderAcknowledges;
use lockgate_wire::process::{EnvPolicy, Inherit, StartParams, StartResult};

use super::session;
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::lane::{Asked, Order, Work};
use crate::limits;
use crate::policy::{Guard, Permit, Question, process_start};
use crate::service::Service;
use crate::session::{ReserveError, Session};
use crate::slot::Slot;

pub(crate) fn start(caller: &Caller, request: Request<'_>) -> Answered {
    let params: StartParams = request.params()?;
    let ReaderAcknowledges {
        reader_acknowledges,
    } = request.params()?;
    let argv0 = check(&params)?;
    let session = session(caller)?;
    let id = params.process_id.clone();
    let slot = session.reserve(id.as_str(), argv0).map_err(|error| {
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
    let guard = caller.guard().clone();
    let of_question = Arc::clone(&reservation);
    let question = {
        let service = Arc::clone(&service);
        move |_: &Asked| {
            // It may have waited for its turn, and what is cancelled must not even begin.
            of_question.is_wanted()?;
            let start = Start::prepare(&service, &guard, params, reader_acknowledges)?;
            let decided = start.question(&guard).decide()?;
            let over = async move {
                of_question.slot.cancelled().await;
                of_question.cancelled()
            };
            Ok(decided.unless(over).map(|permit| (start, permit)))
        }
    };
    let of_job = Arc::clone(&reservation);
    let job = move |asked: &Asked, (start, permit): (Start, Permit)| {
        let _runtime = asked.runtime().enter();
        // Somebody may have taken their time to agree.
        of_job.is_wanted()?;
        start.go(&service, &of_job, permit)
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
    let pending = caller.pending(request);
    caller
        .files()
        .guarded(Order::Shared, pending, question, job, done);
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
    /// A failure once the start was cancelled.
    fn is_wanted(&self) -> Result<(), Failure> {
        match self.slot.is_cancelled() {
            true => Err(self.cancelled()),
            false => Ok(()),
        }
    }

    fn cancelled(&self) -> Failure {
        Failure::invalid_request(format!("process {} start was cancelled", self.id))
    }

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
fn check(params: &StartParams) -> Result<&str, Failure> {
    let id = params.process_id.as_str();
    if id.is_empty() || id.len() > limits::PROCESS_ID_BYTES {
        let text = format!(
            "processId must have 1 to {} bytes",
            limits::PROCESS_ID_BYTES
        );
        return Err(Failure::invalid_params(text));
    }
    let Some(argv0) = params.argv.first() else {
        return Err(Failure::invalid_params("argv must not be empty"));
    };
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
        None => Ok(argv0),
    }
}

/// A process that is about to start.
struct Start {
    spawn: Spawn,
    /// The client wants it confined.
    sandboxed: bool,
    waits_for_reader: bool,
}

impl Start {
    /// Works out what the parameters mean on this machine; may block. A policy is shown the file that will be run, so that one is looked
    /// for now.
    fn prepare(
        service: &Service,
        guard: &Guard,
        params: StartParams,
        reader_acknowledges: bool,
    ) -> Result<Start, Failure> {
        let sandboxed = service.restricts(params.sandbox.as_ref())?;
        service.check_process_sandbox(sandboxed)?;
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
        let mut spawn = Spawn {
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
            readers: match (params.wait_for_reader, reader_acknowledges) {
                (true, true) => Readers::Acknowledging,
                (true, false) => Readers::Needed,
                (false, _) => Readers::Optional,
            },
            program: None,
            bounds: Bounds::default(),
        };
        // Whether or not anybody is asked now: by the time of the question somebody may be.
        if guard.is_there() {
            // What cannot be started in any case is nobody's question.
            spawn.check()?;
            spawn.program = Some(spawn.find());
        }
        Ok(Start {
            spawn,
            sandboxed,
            waits_for_reader: params.wait_for_reader,
        })
    }

    /// Whether policies let it start.
    fn question(&self, guard: &Guard) -> Question {
        let Start {
            spawn, sandboxed, ..
        } = self;
        guard.question(ActionKind::ProcessStart, || {
            process_start(spawn, *sandboxed)
        })
    }

    /// Starts it, within what policies have left.
    fn go(
        mut self,
        service: &Service,
        reservation: &Reservation,
        permit: Permit,
    ) -> Result<StartResult, Failure> {
        service.check_process_grants(&permit)?;
        let Reservation { session, slot, id } = reservation;
        self.spawn.env.retain(|(name, _)| {
            !permit
                .drop_env
                .iter()
                .any(|dropped| name == dropped.as_str())
        });
        self.spawn.bounds = Bounds {
            time: permit.time_limit,
            output: permit.output_limit,
        };
        let process = service.processes().spawn(self.spawn)?;
        if !self.waits_for_reader {
            slot.reading.allow();
        }
        if !session.started(id.as_str(), slot, &process) {
            return Err(reservation.cancelled());
        }
        Ok(StartResult {
            process_id: id.clone(),
            sandbox_type: Some("none".to_owned()),
        })
    }
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
