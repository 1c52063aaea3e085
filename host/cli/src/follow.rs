//! A process of a server in the place of one of our own: its output on our stdout and stderr, our input on its stdin, our
//! signals to it, its exit code as ours.

use std::convert::Infallible;
use std::io::{IsTerminal, stdin};
use std::process::ExitCode;
use std::time::Duration;

use lockgate_client::{Client, ClientError, Event, Events, Process, ProcessHandle};
use lockgate_policy_gate::printable::printable;
use lockgate_wire::process::{Stream, WriteStatus};
use lockgate_wire::{Method, code};
use tokio::io::{AsyncWriteExt, Stderr, Stdout};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::away::{Notices, is_away};
use crate::failure::{Failure, OURS};
use crate::{approval, input, terminal};

/// Typed three times in a row in a raw terminal it ends the session from here, as when the server hangs.
const ESCAPE: u8 = 0x1d; // Ctrl-]

/// What a raw terminal makes of Ctrl-C.
const INTERRUPT: u8 = 0x03;

/// SIGINT.
const INTERRUPTED: i32 = 2;

/// Reads of a raw terminal that wait while the server takes none. A person types fewer while a connection is away.
const KEYS: usize = 4 * 1024;

/// How long the last output of a terminal may take after its leader has exited. Programs in the background may hold it
/// open for ever.
const TERMINAL_DRAIN: Duration = Duration::from_millis(300);

/// How long a process that we kill may take to be gone.
const KILL: Duration = Duration::from_secs(2);

/// What the process gets on its stdin.
pub(crate) enum Input {
    None,
    /// Ours: as it is, or every key of our terminal.
    Ours {
        raw: Option<terminal::Raw>,
    },
}

/// How to follow.
pub(crate) struct Follow<'a> {
    pub(crate) client: &'a Client,
    pub(crate) tty: bool,
}

/// Why the following ended before the process did.
enum Ended {
    Signal(i32),
    Escape,
    /// The person would not wait for the connection.
    Left,
    /// The executor does not pass its input on, for this reason: what comes behind a gap is another input.
    Refused(String),
}

impl Follow<'_> {
    /// Until the process and its output have ended, or we are to end.
    pub(crate) async fn to_its_end(
        &self,
        process: Process,
        input: Input,
    ) -> Result<ExitCode, Failure> {
        let Process {
            handle, mut events, ..
        } = process;
        let raw = matches!(input, Input::Ours { raw: Some(_) });
        if matches!(input, Input::Ours { .. }) && stdin().is_terminal() {
            approval::terminal_is_taken();
        }
        let signals = Signals::new()
            .map_err(|error| Failure::new(format!("cannot handle signals: {error}")))?;
        let notices = Notices::new(raw);
        let outcome = tokio::select! {
            outcome = self.output(&mut events, &handle) => outcome,
            ended = self.input(&input, &handle, notices) => Err(ended),
            ended = self.signals(signals, &handle, raw) => Err(ended),
            never = self.window(&handle) => match never {},
            never = notices.follow(self.client) => match never {},
        };
        // The terminal is ours again before anything is said.
        drop(input);
        let notices = Notices::new(false);
        match outcome {
            Ok(outcome) => outcome,
            Err(ended) => {
                self.leave(&handle, &ended, notices).await;
                Ok(match ended {
                    Ended::Refused(why) => {
                        let text =
                            format!("the command was ended, because its input was refused: {why}");
                        return Err(Failure::new(text).with_code(OURS));
                    }
                    Ended::Signal(number) => {
                        ExitCode::from(128 + u8::try_from(number).unwrap_or(0))
                    }
                    Ended::Escape => {
                        tell!("lockgate: session ended");
                        ExitCode::from(OURS)
                    }
                    Ended::Left => ExitCode::from(OURS),
                })
            }
        }
    }

    /// The command is not to go on without us; says what becomes of it where that is not plain.
    async fn leave(&self, handle: &ProcessHandle, ended: &Ended, notices: Notices) {
        let given_up = "the server ends the command when it gives the session up";
        if is_away(self.client) {
            tell!("lockgate: left while the connection was away: {given_up}");
            return;
        }
        match timeout(KILL, handle.terminate()).await {
            Ok(Ok(was_running)) => {
                if was_running && matches!(ended, Ended::Signal(INTERRUPTED)) {
                    notices.say("interrupted three times: the command was killed");
                }
            }
            Ok(Err(error)) => {
                tell!("lockgate: the command could not be killed ({error}): {given_up}");
            }
            Err(_) => {
                let seconds = KILL.as_secs();
                tell!("lockgate: the server did not answer within {seconds} s: {given_up}");
            }
        }
    }

    async fn output(
        &self,
        events: &mut Events,
        handle: &ProcessHandle,
    ) -> Result<Result<ExitCode, Failure>, Ended> {
        let mut out = tokio::io::stdout();
        let mut err = tokio::io::stderr();
        let mut code = None;
        let mut lost = 0;
        loop {
            let event = match code {
                Some(_) if self.tty => match timeout(TERMINAL_DRAIN, events.next()).await {
                    Ok(event) => event,
                    Err(_) => break,
                },
                _ => events.next().await,
            };
            match event {
                Some(Event::Output { stream, data }) => {
                    if let Err(error) = write(&mut out, &mut err, stream, &data).await {
                        let _ = timeout(KILL, handle.terminate()).await;
                        return Ok(write_failure(&error));
                    }
                }
                Some(Event::Exited { exit_code, .. }) => code = Some(exit_code),
                Some(Event::Lost { count }) => lost += count,
                Some(Event::Failed(reason)) => {
                    return Ok(Err(
                        Failure::new(format!("lost the command: {reason}")).with_code(OURS)
                    ));
                }
                Some(Event::Closed) | None => break,
            }
        }
        if lost > 0 {
            let text = format!(
                "output was lost ({lost} pieces): it was read here more slowly than the server keeps it; send it to a file there"
            );
            return Ok(Err(Failure::new(text).with_code(OURS)));
        }
        Ok(match code {
            // The codes of the wire are those of wait: 0 to 255.
            Some(code @ 0..=255) => Ok(ExitCode::from(code as u8)),
            _ => Err(Failure::new(match limit(handle).await {
                Some(limit) => limit,
                None => "the command's exit code is not known; it was probably killed".to_owned(),
            })
            .with_code(OURS)),
        })
    }

    /// Returns only when the person wants to leave, or the command does not get what it was to get.
    async fn input(&self, input: &Input, handle: &ProcessHandle, notices: Notices) -> Ended {
        let raw = match input {
            Input::None => return std::future::pending().await,
            Input::Ours { raw } => raw.is_some(),
        };
        // Keys are looked at also while those before them wait for the server.
        let (keys, typed) = mpsc::channel(if raw { KEYS } else { 1 });
        tokio::select! {
            ended = self.keys(input::chunks(raw), keys, notices, raw) => ended,
            ended = self.write(typed, handle, notices) => match ended {
                Some(ended) => ended,
                None => std::future::pending().await,
            },
        }
    }

    /// Passes on what is typed. Returns only when that says to leave.
    async fn keys(
        &self,
        mut chunks: mpsc::Receiver<Vec<u8>>,
        keys: mpsc::Sender<Vec<u8>>,
        notices: Notices,
        raw: bool,
    ) -> Ended {
        let mut escapes = 0;
        while let Some(chunk) = chunks.recv().await {
            if raw {
                for &byte in &chunk {
                    escapes = if byte == ESCAPE { escapes + 1 } else { 0 };
                    if escapes == 3 {
                        return Ended::Escape;
                    }
                }
                if chunk.contains(&INTERRUPT) && is_away(self.client) {
                    notices.say("the connection is away: Ctrl-] three times leaves");
                }
            }
            // Fails when the process takes no more.
            if keys.send(chunk).await.is_err() {
                return std::future::pending().await;
            }
        }
        drop(keys);
        std::future::pending().await
    }

    /// Returns when the process takes no more, or has been told that there is no more.
    async fn write(
        &self,
        mut typed: mpsc::Receiver<Vec<u8>>,
        handle: &ProcessHandle,
        notices: Notices,
    ) -> Option<Ended> {
        while let Some(chunk) = typed.recv().await {
            match handle.write(&chunk).await {
                Ok(WriteStatus::Accepted | WriteStatus::Starting) => {}
                // Policies decide about it. A person sees that it did not come, and goes on.
                Err(error) if is_refusal(&error) => {
                    let why = printable(&error.to_string()).into_owned();
                    if !stdin().is_terminal() {
                        return Some(Ended::Refused(why));
                    }
                    notices.say(&format!("what was typed was refused: {why}"));
                }
                // It has closed its input or is gone; its output tells the rest.
                Ok(WriteStatus::StdinClosed | WriteStatus::UnknownProcess) | Err(_) => {
                    // Still there, so that keys can be looked at.
                    self.ignore(typed).await;
                    return None;
                }
            }
        }
        if self.client.has(Method::LockgateProcessCloseStdin) {
            // On a terminal the end is a key, which must not come twice.
            while let Err(ClientError::Interrupted { .. }) = handle.close_stdin().await
                && !self.tty
            {}
        } else if self.tty {
            // What Ctrl-D sends.
            let _ = handle.write(&[4]).await;
        } else {
            tell!("lockgate: this server cannot close a command's input; it may wait for more");
        }
        None
    }

    async fn ignore(&self, mut typed: mpsc::Receiver<Vec<u8>>) {
        while typed.recv().await.is_some() {}
    }

    /// Returns only when a signal tells us to end.
    async fn signals(&self, mut signals: Signals, handle: &ProcessHandle, raw: bool) -> Ended {
        let mut interrupts = 0;
        loop {
            tokio::select! {
                _ = signals.interrupt.recv(), if !raw => {
                    if is_away(self.client) {
                        return Ended::Left;
                    }
                    interrupts += 1;
                    if interrupts >= 3 {
                        return Ended::Signal(INTERRUPTED);
                    }
                    // In a task of its own: the connection may be slow, and the next Ctrl-C must be heard.
                    let handle = handle.clone();
                    tokio::spawn(async move { handle.interrupt().await });
                }
                _ = signals.terminate.recv() => return Ended::Signal(15),
                _ = signals.hang_up.recv() => return Ended::Signal(1),
            }
        }
    }

    /// Passes the size of the window on.
    async fn window(&self, handle: &ProcessHandle) -> Infallible {
        let resizable = self.tty && self.client.has(Method::LockgateProcessResize);
        let Some(mut window) = resizable
            .then(|| signal(SignalKind::window_change()).ok())
            .flatten()
        else {
            return std::future::pending().await;
        };
        while window.recv().await.is_some() {
            while let Some(size) = terminal::size()
                && let Err(ClientError::Interrupted { .. }) =
                    handle.resize(size.rows, size.cols).await
            {}
        }
        std::future::pending().await
    }
}

/// Of input that could have been passed on: what the command does not read any more fails with another code.
fn is_refusal(error: &ClientError) -> bool {
    error.code() == Some(code::INVALID_REQUEST)
}

/// The limit of the executor's policies at which it ended the command, if it did.
async fn limit(handle: &ProcessHandle) -> Option<String> {
    // Of the output only what comes after its end.
    let read = timeout(KILL, handle.read(Some(u64::MAX), Some(0), None)).await;
    read.ok()?.ok()?.failure
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

async fn write(
    out: &mut Stdout,
    err: &mut Stderr,
    stream: Stream,
    data: &[u8],
) -> std::io::Result<()> {
    match stream {
        Stream::Stderr => {
            err.write_all(data).await?;
            err.flush().await
        }
        Stream::Stdout | Stream::Pty => {
            out.write_all(data).await?;
            out.flush().await
        }
    }
}

fn write_failure(error: &std::io::Error) -> Result<ExitCode, Failure> {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Err(Failure::unread());
    }
    Err(Failure::new(format!("cannot write the command's output: {error}")).with_code(OURS))
}
