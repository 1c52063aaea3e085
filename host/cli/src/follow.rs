//! A process of a server in the place of one of our own: its output on our stdout and stderr, our input on its stdin, our
//! signals to it, its exit code as ours.

use std::io::{IsTerminal, stdin};
use std::process::ExitCode;
use std::time::Duration;

use lockgate_client::{Client, Event, Events, Process, ProcessHandle};
use lockgate_wire::Method;
use lockgate_wire::process::{Stream, WriteStatus};
use tokio::io::{AsyncWriteExt, Stderr, Stdout};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::failure::{Failure, OURS};
use crate::{approval, input, terminal};

/// Typed three times in a row in a raw terminal it ends the session from here, as when the server hangs.
const ESCAPE: u8 = 0x1d; // Ctrl-]

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
        let outcome = tokio::select! {
            outcome = self.output(&mut events, &handle) => outcome,
            ended = self.input(&input, &handle) => Err(ended),
            ended = self.signals(signals, &handle, raw) => Err(ended),
        };
        // The terminal is ours again before anything is said.
        drop(input);
        match outcome {
            Ok(outcome) => outcome,
            Err(ended) => {
                let _ = timeout(KILL, handle.terminate()).await;
                Ok(match ended {
                    Ended::Signal(number) => {
                        ExitCode::from(128 + u8::try_from(number).unwrap_or(0))
                    }
                    Ended::Escape => {
                        eprintln!("lockgate: session ended");
                        ExitCode::from(OURS)
                    }
                })
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

    /// Returns only when the person wants to leave.
    async fn input(&self, input: &Input, handle: &ProcessHandle) -> Ended {
        let raw = match input {
            Input::None => return std::future::pending().await,
            Input::Ours { raw } => raw.is_some(),
        };
        let mut chunks = input::chunks(raw);
        let mut escapes = 0;
        while let Some(chunk) = chunks.recv().await {
            if raw {
                for &byte in &chunk {
                    escapes = if byte == ESCAPE { escapes + 1 } else { 0 };
                    if escapes == 3 {
                        return Ended::Escape;
                    }
                }
            }
            match handle.write(&chunk).await {
                Ok(WriteStatus::Accepted | WriteStatus::Starting) => {}
                // It has closed its input or is gone; its output tells the rest.
                Ok(WriteStatus::StdinClosed | WriteStatus::UnknownProcess) | Err(_) => {
                    return std::future::pending().await;
                }
            }
        }
        if self.client.has(Method::LockgateProcessCloseStdin) {
            let _ = handle.close_stdin().await;
        } else if self.tty {
            // What Ctrl-D sends.
            let _ = handle.write(&[4]).await;
        } else {
            eprintln!("lockgate: this server cannot close a command's input; it may wait for more");
        }
        std::future::pending().await
    }

    /// Returns only when a signal tells us to end.
    async fn signals(&self, mut signals: Signals, handle: &ProcessHandle, raw: bool) -> Ended {
        let resizable = self.tty && self.client.has(Method::LockgateProcessResize);
        let mut interrupts = 0;
        loop {
            tokio::select! {
                _ = signals.interrupt.recv(), if !raw => {
                    interrupts += 1;
                    if interrupts >= 3 {
                        return Ended::Signal(2);
                    }
                    // In a task of its own: the connection may be slow, and the next Ctrl-C must be heard.
                    let handle = handle.clone();
                    tokio::spawn(async move { handle.interrupt().await });
                }
                _ = signals.terminate.recv() => return Ended::Signal(15),
                _ = signals.hang_up.recv() => return Ended::Signal(1),
                _ = signals.window.recv(), if resizable => {
                    if let Some(size) = terminal::size() {
                        let _ = handle.resize(size.rows, size.cols).await;
                    }
                }
            }
        }
    }
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
    window: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            window: signal(SignalKind::window_change())?,
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
