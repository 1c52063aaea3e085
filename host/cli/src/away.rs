//! A connection that is away, for the person who waits for it: how long it may be, and what is said meanwhile.
//!
//! Said is only what a person needs who sits in front of a terminal and sees nothing happen. Where stderr is a file or a pipe, it has the
//! command's words, and scripts that compare them must not find ours in between; there the log has it (`LOCKGATE_LOG=info`).

use std::convert::Infallible;
use std::io::IsTerminal;
use std::time::Duration;

use lockgate_client::{Client, ConnectionState};
use tokio::sync::watch;
use tokio::time::timeout;

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
    pub(crate) fn window(&self) -> Option<Duration> {
        (self.resume_window > 0).then(|| Duration::from_secs(self.resume_window.into()))
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
        match (self.watched, self.raw) {
            (true, true) => eprint!("\r\nlockgate: {text}\r\n"),
            (true, false) => eprintln!("lockgate: {text}"),
            (false, _) => tracing::info!("{text}"),
        }
    }

    /// Says when the connection is away, and when it is back.
    pub(crate) async fn follow(self, client: &Client) -> Infallible {
        let back = |state: &ConnectionState| !state.is_away();
        let mut states = client.states();
        // An end is said by whoever fails of it.
        while let Some(why) = away(&mut states).await {
            if timeout(UNNOTICED, states.wait_for(back)).await.is_ok() {
                continue;
            }
            let way_out = match self.raw {
                true => "what you type is kept; Ctrl-] three times leaves",
                false => "Ctrl-C leaves",
            };
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
        std::future::pending().await
    }
}

/// Whether the connection is away for longer than somebody may not have noticed.
pub(crate) fn is_away(client: &Client) -> bool {
    matches!(client.state(), ConnectionState::Away { since, .. } if since.elapsed() >= UNNOTICED)
}

/// When the connection is away: why. Nothing when it will never be.
async fn away(states: &mut watch::Receiver<ConnectionState>) -> Option<String> {
    let state = states.wait_for(ConnectionState::is_away).await.ok()?;
    match &*state {
        ConnectionState::Away { why, .. } => Some(why.clone()),
        _ => None,
    }
}
