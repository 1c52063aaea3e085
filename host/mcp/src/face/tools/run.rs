//! `run`: a command, to its end or for as long as somebody waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lockgate_client::{Client, ClientError, Process};
use lockgate_wire::process::{EnvPolicy, Inherit, StartParams, WriteStatus};
use lockgate_wire::{Method, code};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::report::Report;
use super::{max_bytes, wait};
use crate::face::access::{Commands, NO_COMMANDS};
use crate::face::answer::{Outcome, Refusal};
use crate::face::call::Call;
use crate::face::deed::{Brought, Input};
use crate::face::limits;
use crate::face::processes::{Job, Processes, Untold};
use crate::face::session::Place;
use crate::face::tools::beforehand;

pub(super) const DESCRIPTION: &str = "Run a command on the executor's machine. Give `command`, a line for its shell, or `argv`, which no shell sees. \
     Waits for the end up to wait_seconds; a command that takes longer goes on running and is answered with a handle: process_output \
     reads on, process_write writes to it, process_stop ends it. Servers and watchers are started the same way.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// A command line for the executor's shell. Exactly one of this and `argv`
    command: Option<String>,
    /// Program and arguments, as they are: nothing in them means anything to a shell
    argv: Option<Vec<String>>,
    /// Directory to run in; relative ones begin in the working directory
    cwd: Option<String>,
    /// Variables to set, on top of the executor's environment
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Text for its standard input, which ends after it. Without it the input is empty
    stdin: Option<String>,
    /// Leave its standard input open for process_write
    #[serde(default)]
    interactive: bool,
    /// Give it a terminal. Both outputs come as one then, and process_write can write to it
    #[serde(default)]
    tty: bool,
    /// How long to wait for its end, in seconds, before it is answered as running (30 if absent)
    #[schemars(range(min = 0, max = 600))]
    wait_seconds: Option<f64>,
    /// End it after so many seconds, whether somebody waits or not. Without it, it may run as long as the session
    #[schemars(range(min = 1))]
    timeout_seconds: Option<u64>,
    /// Bytes of standard output, and of standard error, to tell at most; of more, the beginning and the end are told (32768 if absent)
    #[schemars(range(min = 1024, max = 262144))]
    max_bytes: Option<u64>,
}

pub(super) async fn run(call: &Call, params: Params) -> Outcome {
    let Commands::Yes { secrets } = call.session.access.commands else {
        return Err(Refusal::new(NO_COMMANDS));
    };
    let wait = wait(params.wait_seconds, limits::WAIT)?;
    if params.timeout_seconds == Some(0) {
        return Err(Refusal::new("`timeout_seconds` must be at least 1"));
    }
    let timeout = params.timeout_seconds.map(Duration::from_secs);
    let most = max_bytes(params.max_bytes, limits::OUTPUT_BYTES)?;
    if params.stdin.is_some() && (params.interactive || params.tty) {
        return Err(Refusal::new(
            "`stdin` is all the input there is: leave it out where `interactive` or `tty` is set, and write with process_write",
        ));
    }
    let place = call.place().await?;
    let argv = argv(&place.client, &params)?;
    let cwd = match &params.cwd {
        Some(cwd) => place.path(cwd)?,
        None => place.directory.clone(),
    };
    beforehand::directory(&place, &cwd)
        .await
        .map_err(|reason| not_run(&argv[0], &reason))?;
    let processes = &call.session.processes;
    let room = processes.make_room()?;
    let capabilities = place.client.capabilities();
    let ours = capabilities.and_then(|all| all.lockgate.as_ref());
    let start = StartParams {
        process_id: Processes::new_name().into(),
        metadata: None,
        argv: argv.clone(),
        cwd: place.wire(&cwd),
        env_policy: Some(EnvPolicy {
            inherit: Inherit::All,
            ignore_default_excludes: secrets,
            exclude: Vec::new(),
            set: BTreeMap::new(),
            include_only: Vec::new(),
        }),
        env: params.env,
        tty: params.tty,
        pipe_stdin: !params.tty && (params.interactive || params.stdin.is_some()),
        arg0: None,
        sandbox: place.sandbox.clone(),
        enforce_managed_network: false,
        managed_network: None,
        network_proxy: None,
        shell_snapshot: None,
        size: None,
        wait_for_reader: ours.is_some_and(|ours| ours.start_wait_for_reader),
    };
    let input = match &params.stdin {
        _ if params.tty => Input::Terminal,
        _ if params.interactive => Input::Later,
        Some(text) => Input::Text(text),
        None => Input::Nothing,
    };
    let brought = Brought::start(&start.env, input);
    let process = started(call.bringing(&place, brought).client, start)
        .await
        .map_err(|error| not_started(error, &argv[0]))?;
    let job = processes.follow(process, &argv, room);
    let untold = Untold::new(Arc::clone(&job));
    if let Some(timeout) = timeout {
        job.end_after(timeout);
    }
    if let Some(input) = params.stdin {
        feed(call, &place, &job, &input).await?;
    }
    wait_for_the_end(call, &job, wait).await;
    let report = Report::of(&job, processes, most);
    untold.told();
    Ok(report.answer())
}

fn argv(client: &Client, params: &Params) -> Result<Vec<String>, Refusal> {
    match (&params.command, &params.argv) {
        (Some(command), None) => {
            let shell = client
                .environment()
                .map(|environment| environment.shell.path.clone());
            let shell = shell.filter(|shell| !shell.is_empty());
            let shell = shell.unwrap_or_else(|| "/bin/sh".to_owned());
            Ok(vec![shell, "-c".to_owned(), command.clone()])
        }
        (None, Some(argv)) if !argv.is_empty() => Ok(argv.clone()),
        (None, Some(_)) => Err(Refusal::new(
            "`argv` must not be empty: the program comes first",
        )),
        _ => Err(Refusal::new(
            "give exactly one of `command` (a line for the shell) and `argv` (program and arguments)",
        )),
    }
}

/// Starts it. If the call is given up meanwhile, the executor starts it all the same: then it is ended.
async fn started(client: Client, params: StartParams) -> Result<Process, ClientError> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let outcome = client.start(&params).await;
        if let Err(Ok(process)) = tell.send(outcome) {
            let _ = process.handle.terminate().await;
        }
    });
    told.await
        .unwrap_or_else(|_| Err(ClientError::Closed("the start was given up".to_owned())))
}

fn not_started(error: ClientError, program: &str) -> Refusal {
    match &error {
        ClientError::Server {
            code: code::INTERNAL,
            message,
        } if !message.contains(program) => not_run(program, message),
        _ => Refusal::from(error),
    }
}

fn not_run(program: &str, reason: &str) -> Refusal {
    Refusal::new(format!("cannot run {program}: {reason}"))
}

/// Writes all of its input, in pieces, and ends it.
async fn feed(call: &Call, place: &Place, job: &Job, input: &str) -> Result<(), Refusal> {
    if !place.client.has(Method::LockgateProcessCloseStdin) {
        return Err(Refusal::new(
            "this executor cannot end a process's input, so a command that reads all of it would not end: put it into a file and use `command` with <",
        ));
    }
    let handle = call.writes(input, job);
    for piece in input.as_bytes().chunks(512 * 1024) {
        match handle.write(piece).await {
            Ok(WriteStatus::Accepted) => {}
            // It does not want any more, as with a pipe.
            Ok(_) => return Ok(()),
            Err(ClientError::Server {
                code: code::INTERNAL,
                ..
            }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    match job.handle.close_stdin().await {
        // It has closed it itself.
        Ok(()) | Err(ClientError::Server { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Until it has exited and its output is complete, telling signs of life.
async fn wait_for_the_end(call: &Call, job: &Job, wait: Duration) {
    let deadline = Instant::now() + wait;
    loop {
        let next = (Instant::now() + limits::PROGRESS).min(deadline);
        if job.until(next, |state| !state.is_running()).await {
            let last = Instant::now() + limits::LAST_OUTPUT;
            job.until(last, |state| state.is_over()).await;
            return;
        }
        if Instant::now() >= deadline {
            return;
        }
        let seconds = job.started.elapsed().as_secs_f64();
        let bytes = {
            let state = job.state();
            state.stdout.bytes() + state.stderr.bytes()
        };
        let words = || format!("running for {seconds:.0} s, {bytes} bytes of output");
        call.progress.tell(seconds, words).await;
    }
}
