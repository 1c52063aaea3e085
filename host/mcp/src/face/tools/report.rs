//! What is told of a process: by `run`, and by the tools that go on with one.

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::face::answer::Answer;
use crate::face::processes::{Job, Processes};

/// How a process stands, and what it wrote since it was last told of.
#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    /// How it stands
    status: Status,
    /// Once it has exited: 128 + n after signal n, -1 when unknown
    exit_code: Option<i32>,
    /// Its standard output since it was last told of; all output of a terminal
    stdout: String,
    /// Its standard error since it was last told of
    stderr: String,
    /// Bytes that were left out in the middle of the output, because there was more than max_bytes
    omitted_bytes: u64,
    /// Its handle for process_output, process_write and process_stop, as long as there may be more to tell
    process: Option<String>,
    /// Seconds since its start
    seconds: f64,
    /// What else there is to know
    note: Option<String>,
}

/// How a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It goes on
    Running,
    /// It has ended by itself
    Exited,
    /// It was ended because its time was over
    TimedOut,
    /// It was ended by process_stop
    Stopped,
    /// The connection to the executor was lost, and it with that
    Lost,
}

impl Report {
    /// Takes what there is to tell. What has nothing more to tell is forgotten.
    pub(super) fn of(job: &Job, processes: &Processes, most: usize) -> Report {
        let mut state = job.state();
        let is_over = state.is_over();
        let stdout = state.stdout.take(most, is_over);
        let stderr = state.stderr.take(most, is_over);
        let status = match state.failure {
            Some(_) if state.exit_code.is_none() => Status::Lost,
            _ if state.is_running() => Status::Running,
            _ if state.timed_out => Status::TimedOut,
            _ => Status::Exited,
        };
        let lost = std::mem::take(&mut state.lost);
        let note = match &state.failure {
            Some(reason) => Some(reason.clone()),
            None if lost > 0 => Some(format!(
                "{lost} pieces of output came faster than they could be kept, and are lost"
            )),
            None if status == Status::Exited && !is_over => Some(
                "something that it left in the background still holds its output open".to_owned(),
            ),
            None => None,
        };
        let exit_code = state.exit_code;
        drop(state);
        if is_over {
            processes.forget(&job.name);
        }
        Report {
            status,
            exit_code,
            omitted_bytes: stdout.omitted + stderr.omitted,
            stdout: stdout.text,
            stderr: stderr.text,
            process: (!is_over).then(|| job.name.clone()),
            seconds: (Instant::now() - job.started).as_millis() as f64 / 1_000.0,
            note,
        }
    }

    /// It was this call that ended it.
    pub(super) fn stopped(mut self) -> Report {
        if self.status == Status::Exited {
            self.status = Status::Stopped;
        }
        self
    }

    pub(super) fn noting(mut self, note: impl Into<String>) -> Report {
        self.note = Some(note.into());
        self
    }

    pub(super) fn answer(self) -> Answer {
        let mut text = self.stdout.clone();
        let line = |text: &mut String| {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
        };
        if !self.stderr.is_empty() {
            line(&mut text);
            text.push_str("[stderr]\n");
            text.push_str(&self.stderr);
        }
        line(&mut text);
        let seconds = self.seconds;
        let code = match self.exit_code {
            Some(code) => format!("exit code {code}"),
            None => "exit code unknown".to_owned(),
        };
        let end = match self.status {
            Status::Running => format!("still running after {seconds:.1} s"),
            Status::Exited => format!("{code} after {seconds:.1} s"),
            Status::TimedOut => {
                format!("ended after {seconds:.1} s because its time was over, {code}")
            }
            Status::Stopped => format!("stopped after {seconds:.1} s, {code}"),
            Status::Lost => format!("lost after {seconds:.1} s"),
        };
        text.push_str(&format!("[{end}"));
        if let Some(process) = &self.process {
            text.push_str(&format!(
                "; process {process}: go on with process_output, process_write, process_stop"
            ));
        }
        if let Some(note) = &self.note {
            text.push_str(&format!("; {note}"));
        }
        text.push(']');
        Answer::new(text, &self)
    }
}
