//! A connection that is away, for the person who waits for it: how long it may be, and what is said meanwhile.
//!
//! Said is only what a person needs who sits in front of a terminal and sees nothing happen. Where stderr is a file or a pipe, it has the
//! command's words, and scripts that compare them must not find ours in between; there the log has it (`LOCKGATE_LOG=info`).

use std::convert::Infallible;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use lockgate_client::{Client, ConnectionState};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::progress::begin_line;

/// Away for less, nobody has noticed.
const UNNOTICED: Duration = Duration::from_millis(500);

/// For commands that outlive a lost connection.
#[derive(clap::Args)]
pub(crate) struct Resume {
    /// Seconds to wait for a lost connection to come back, while the command runs on over there; 0 gives up at once
    #[arg(long, value_name = "SECONDS", default_value_t = 25)]
    resume_window: u32,
}

impl Resume {
    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs(self.resume_window.into())
    }
}

/// Says things on a terminal that may be raw.
#[derive(Clone, Copy)]
pub(crate) struct Notices {
    /// Somebody reads them.
    watched: bool,
    raw: bool,
}

impl Notices {
    pub(crate) fn new(raw: bool) -> Notices {
        Notices {
            watched: std::io::stderr().is_terminal(),
            raw,
        }
    }

    /// To the person, if there is one.
    pub(crate) fn say(self, text: &str) {
        begin_line();
        match (self.watched, self.raw) {
            (true, true) => tell!("\r\nlockgate: {text}\r"),
            (true, false) => tell!("lockgate: {text}"),
            (false, _) => tracing::info!("{text}"),
        }
    }

    /// Says when the connection goes silent or is away, and when it is back.
    pub(crate) async fn follow(self, client: &Client) -> Infallible {
        let back = |state: &ConnectionState| !state.is_away();
        let (mut states, mut silence) = (client.states(), client.silence());
        let way_out = match self.raw {
            true => "what you type is kept; Ctrl-] three times leaves",
            false => "Ctrl-C leaves",
        };
        // An end is said by whoever fails of it.
        loop {
            let (why, unnoticed) = tokio::select! {
                why = away(&mut states) => (why, UNNOTICED),
                true = told(&mut silence, true) => {
                    let since = silence.borrow().map_or(Duration::ZERO, |since| since.elapsed());
                    self.say(&format!(
                        "nothing was heard of the server for {} s; if that goes on, another connection is tried ({way_out})",
                        since.as_secs()
                    ));
                    told(&mut silence, false).await;
                    match client.state() {
                        ConnectionState::Away { why, .. } => (Some(why), Duration::ZERO),
                        state => {
                            if state.is_connected() {
                                self.say("the server is heard again");
                            }
                            continue;
                        }
                    }
                }
            };
            let Some(why) = why else {
                return std::future::pending().await;
            };
            if timeout(unnoticed, states.wait_for(back)).await.is_ok() && !unnoticed.is_zero() {
                continue;
            }
            self.say(&format!(
                "connection lost ({why}); waiting for it to come back while the command runs on ({way_out})"
            ));
            if states
                .wait_for(back)
                .await
                .is_ok_and(|state| state.is_connected())
            {
                self.say("connected again");
            }
        }
    }
}

/// Waits until it is silent, or not any more. False when it will never be.
async fn told(silence: &mut watch::Receiver<Option<Instant>>, is_silent: bool) -> bool {
    silence
        .wait_for(|since| since.is_some() == is_silent)
        .await
        .is_ok()
}

/// Whether the connection is away for longer than somebody may not have noticed, or silent for as long as that was said.
pub(crate) fn is_away(client: &Client) -> bool {
    let is_silent = client.silence().borrow().is_some();
    is_silent
        || matches!(client.state(), ConnectionState::Away { since, .. } if since.elapsed() >= UNNOTICED)
}

/// When the connection is away: why. Nothing when it will never be.
async fn away(states: &mut watch::Receiver<ConnectionState>) -> Option<String> {
    let state = states.wait_for(ConnectionState::is_away).await.ok()?;
    match &*state {
        ConnectionState::Away { why, .. } => Some(why.clone()),
        _ => None,
    }
}
