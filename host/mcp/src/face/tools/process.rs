//! `process_output`, `process_write`, `process_stop`: going on with a process that `run` has left running.

use std::time::Duration;

use lockgate_wire::Method;
use lockgate_wire::process::WriteStatus;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::report::Report;
use super::{max_bytes, wait};
use crate::face::answer::{Outcome, Refusal};
use crate::face::call::Call;
use crate::face::limits;
use crate::face::processes::Job;

pub(super) const OUTPUT: &str = "Tell what a process that `run` left running has written since it was last told of, and whether it has ended. \
     Waits up to wait_seconds for output, or for its end.";

pub(super) const WRITE: &str = "Write to the standard input or the terminal of a process that was started with `interactive` or `tty`, and tell \
     what it writes back within wait_seconds. A line ends with \\n.";

pub(super) const STOP: &str = "End a process: it is asked to (SIGTERM) and killed with all of its group if it has not ended three seconds later; \
     or send it another signal. Tells its last output.";

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Until {
    /// There is output, or it has ended
    #[default]
    Output,
    /// It has ended
    Exit,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputParams {
    /// The handle, from `run`
    process: String,
    /// How long to wait, in seconds (30 if absent)
    #[schemars(range(min = 0, max = 600))]
    wait_seconds: Option<f64>,
    /// What to wait for: `output` (if absent) or `exit`
    #[serde(default)]
    until: Until,
    /// Bytes of each output to tell at most (32768 if absent)
    #[schemars(range(min = 1024, max = 262144))]
    max_bytes: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteParams {
    /// The handle, from `run`
    process: String,
    /// What to write, as it is
    #[serde(default)]
    text: String,
    /// End its input after that
    #[serde(default)]
    close: bool,
    /// How long to wait for output, in seconds (2 if absent)
    #[schemars(range(min = 0, max = 600))]
    wait_seconds: Option<f64>,
    /// Bytes of each output to tell at most (32768 if absent)
    #[schemars(range(min = 1024, max = 262144))]
    max_bytes: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopParams {
    /// The handle, from `run`
    process: String,
    /// Only send this signal, by its name as in `kill -l`, such as INT, HUP or USR1
    signal: Option<String>,
    /// Bytes of each output to tell at most (32768 if absent)
    #[schemars(range(min = 1024, max = 262144))]
    max_bytes: Option<u64>,
}

pub(super) async fn output(call: &Call, params: OutputParams) -> Outcome {
    let wait = wait(params.wait_seconds, limits::WAIT)?;
    let most = max_bytes(params.max_bytes, limits::OUTPUT_BYTES)?;
    let job = call.session.processes.get(&params.process)?;
    wait_for(call, &job, wait, params.until).await;
    Ok(Report::of(&job, &call.session.processes, most).answer())
}

pub(super) async fn write(call: &Call, params: WriteParams) -> Outcome {
    let wait = wait(params.wait_seconds, limits::WRITE_WAIT)?;
    let most = max_bytes(params.max_bytes, limits::OUTPUT_BYTES)?;
    let job = call.session.processes.get(&params.process)?;
    if params.text.is_empty() && !params.close {
        return Err(Refusal::new(
            "`text` is empty and `close` is not set: there is nothing to do",
        ));
    }
    if !params.text.is_empty() {
        let handle = call.writes(&params.text, &job);
        match handle.write(params.text.as_bytes()).await? {
            WriteStatus::Accepted => {}
            WriteStatus::StdinClosed => {
                return Err(Refusal::new(
                    "its input is closed: it was started without `interactive` and `tty`, or its input was ended",
                ));
            }
            WriteStatus::UnknownProcess => {
                return Err(Refusal::new(
                    "the executor knows this process no more: it has ended",
                ));
            }
            WriteStatus::Starting => {
                return Err(Refusal::new(
                    "the process is still being started; try again",
                ));
            }
        }
    }
    if params.close {
        if !job.handle.client().has(Method::LockgateProcessCloseStdin) {
            return Err(Refusal::new("this executor cannot end a process's input"));
        }
        call.begins_a_change(job.handle.client());
        job.handle.close_stdin().await?;
    }
    wait_for(call, &job, wait, Until::Output).await;
    Ok(Report::of(&job, &call.session.processes, most).answer())
}

pub(super) async fn stop(call: &Call, params: StopParams) -> Outcome {
    let most = max_bytes(params.max_bytes, limits::OUTPUT_BYTES)?;
    let processes = &call.session.processes;
    let job = processes.get(&params.process)?;
    if let Some(signal) = &params.signal {
        if !job.handle.client().has(Method::LockgateProcessSignal) {
            return Err(Refusal::new(
                "this executor sends no signals by name; leave out `signal` to end the process",
            ));
        }
        call.begins_a_change(job.handle.client());
        job.handle.signal(signal).await?;
        wait_for(call, &job, limits::LAST_OUTPUT, Until::Output).await;
        return Ok(Report::of(&job, processes, most).answer());
    }
    let was_running = job.state().is_running();
    call.begins_a_change(job.handle.client());
    let killed = job.stop().await?;
    let deadline = Instant::now() + limits::GRACE;
    job.until(deadline, |state| !state.is_running()).await;
    let last = Instant::now() + limits::LAST_OUTPUT;
    job.until(last, |state| state.is_over()).await;
    let report = Report::of(&job, processes, most);
    let report = if was_running {
        report.stopped()
    } else {
        report
    };
    // What left its group and still holds its output: nobody waits for that any more.
    processes.forget(&job.name);
    let report = match killed {
        true => report.noting("it did not end when it was asked to, and was killed"),
        false => report,
    };
    Ok(report.answer())
}

async fn wait_for(call: &Call, job: &Job, wait: Duration, until: Until) {
    let deadline = Instant::now() + wait;
    let began = Instant::now();
    loop {
        let next = (Instant::now() + limits::PROGRESS).min(deadline);
        let here = job
            .until(next, |state| {
                !state.is_running() || until == Until::Output && state.has_output()
            })
            .await;
        if here {
            // What belongs together comes together, mostly.
            job.until(
                (Instant::now() + limits::LAST_OUTPUT).min(deadline),
                |state| state.is_over(),
            )
            .await;
            return;
        }
        if Instant::now() >= deadline {
            return;
        }
        let seconds = began.elapsed().as_secs_f64();
        call.progress
            .tell(seconds, || format!("waiting for {seconds:.0} s"))
            .await;
    }
}
