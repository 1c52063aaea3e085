//! Hundreds of cuts at points of chance, on every way that can be cut, while processes stream, take input and leave traces, files are written and read, and
//! bodies come over HTTP.

mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lockgate_client::{Client, ConnectOptions, ConnectionState};
use lockgate_e2e::{Chance, uri};
use lockgate_wire::process::WriteStatus;
use serde_json::json;

use crate::between::Between;
use crate::far::Far;
use crate::support::{House, known, shell, soon, story, until};

/// Of work that goes on at once on each connection.
const KINDS: usize = 7;

/// Bytes that come through between two cuts, at most: one that comes back takes some thousand, a piece of work some hundred thousand.
const APART: u64 = 256 << 10;

/// Cuts after which all are back before the next one: each can be hit while it comes back, also several times in a row, but not for longer than its window.
const IN_A_ROW: u64 = 4;

/// What goes on while there are cuts.
struct Work {
    client: Client,
    number: usize,
    round: u64,
    enough: Arc<AtomicBool>,
    /// Calls of which nobody knows what came of them.
    interrupted: Arc<AtomicU64>,
}

impl Work {
    fn goes_on(&mut self) -> bool {
        self.round += 1;
        self.round <= 2 || !self.enough.load(Ordering::Relaxed)
    }

    fn id(&self) -> String {
        format!("p{}-{}", self.number, self.round)
    }

    fn known<T>(&self, outcome: Result<T, lockgate_client::ClientError>) -> Option<T> {
        let known = known(outcome);
        if known.is_none() {
            self.interrupted.fetch_add(1, Ordering::Relaxed);
        }
        known
    }

    /// Output in pieces of all sizes, on both streams, and an exit code.
    async fn streams(mut self) {
        let script = "i=0; while [ $i -lt 40 ]; do seq $i $((i * 20)); sleep 0.01; i=$((i + 1)); done; exit 7";
        let wanted: String = (0..40)
            .flat_map(|from| from..=from * 20)
            .map(|number| format!("{number}\n"))
            .collect();
        while self.goes_on() {
            let started = self.client.start(&shell(&self.id(), script)).await;
            let Some(mut process) = self.known(started) else {
                continue;
            };
            let story = story(&mut process.events).await;
            assert_eq!(story.failed, None);
            assert_eq!((story.lost, story.exit_code), (0, Some(7)));
            assert!(
                story.output == wanted.as_bytes(),
                "each byte once and in order"
            );
        }
    }

    /// Each line that is written to a process comes back once and in its place.
    async fn echoes(mut self) {
        while self.goes_on() {
            let mut params = shell(&self.id(), "exec cat");
            params.pipe_stdin = true;
            let started = self.client.start(&params).await;
            let Some(mut process) = self.known(started) else {
                continue;
            };
            let handle = process.handle.clone();
            let writing = tokio::spawn(async move {
                let mut wanted = Vec::new();
                for line in 0..150_u32 {
                    let line = format!("{line} {}\n", "x".repeat((line * 7 % 400) as usize));
                    // Repeated by itself, once over there.
                    let status = soon(handle.write(line.as_bytes())).await.expect("written");
                    assert_eq!(status, WriteStatus::Accepted);
                    wanted.extend_from_slice(line.as_bytes());
                }
                // The end of input can be said twice.
                while known(soon(handle.close_stdin()).await).is_none() {}
                wanted
            });
            let story = story(&mut process.events).await;
            let wanted = writing.await.expect("written");
            assert_eq!(story.failed, None);
            assert_eq!((story.lost, story.exit_code), (0, Some(0)));
            assert!(story.output == wanted, "each byte once and in order");
        }
    }

    /// A file is what the last write that is known of made it, or what one that is not known of did.
    async fn writes_files(mut self, folder: &std::path::Path) {
        let path = folder.join(format!("file{}", self.number));
        let mut may_be = vec![None];
        while self.goes_on() {
            let text = format!("{}\n", self.round).repeat(1 + (self.round % 50) as usize * 400);
            let params = json!({ "path": uri(&path), "dataBase64": base64(text.as_bytes()) });
            let written = self
                .client
                .call::<_, serde_json::Value>("fs/writeFile", &params);
            match self.known(soon(written).await) {
                Some(_) => may_be = vec![Some(text)],
                None => may_be.push(Some(text)),
            }
            let params = serde_json::from_value(json!({ "path": uri(&path) })).expect("params");
            let read = match soon(self.client.read_file(&params)).await {
                // Nothing was written yet, as far as is known.
                Err(error) if error.code() == Some(-32004) => None,
                read => match self.known(read) {
                    Some(read) => Some(String::from_utf8(read).expect("text")),
                    None => continue,
                },
            };
            assert!(may_be.contains(&read), "neither half nor an old one");
        }
    }

    /// What cannot be repeated is not: a line in a file for each time.
    async fn leaves_traces(mut self, folder: &std::path::Path) {
        let path = folder.join(format!("traces{}", self.number));
        let (mut sure, mut unsure) = (Vec::new(), Vec::new());
        while self.goes_on() {
            let id = self.id();
            let script = format!("echo {id} >> {}", path.display());
            let started = self.client.start(&shell(&id, &script)).await;
            match self.known(started) {
                Some(mut process) => {
                    let story = story(&mut process.events).await;
                    assert_eq!((story.failed, story.exit_code), (None, Some(0)));
                    sure.push(id);
                }
                None => unsure.push(id),
            }
        }
        let traces = std::fs::read_to_string(&path).expect("traces");
        for id in &sure {
            assert_eq!(traces.lines().filter(|line| line == id).count(), 1, "{id}");
        }
        for id in &unsure {
            assert!(
                traces.lines().filter(|line| line == id).count() <= 1,
                "{id}"
            );
        }
    }

    async fn asks(mut self) {
        while self.goes_on() {
            self.known(soon(self.client.status()).await);
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_cuts_lose_nothing_and_double_nothing() {
    nothing_is_lost(Between::Websocket(House::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_cuts_and_broken_streams_lose_nothing_and_double_nothing() {
    nothing_is_lost(Between::Rendezvous(Far::start(false).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_cuts_and_broken_streams_lose_nothing_and_double_nothing_encrypted() {
    nothing_is_lost(Between::Rendezvous(Far::start(true).await)).await;
}

/// Cuts until it is enough. The pace is that of what comes through and not of a clock: on a busy machine nothing would, between cuts that come as fast as ever, and
/// what is broken whenever it comes back waits longer each time.
async fn cut(between: Between, clients: Vec<Client>, enough: Arc<AtomicBool>) -> Between {
    let mut chance = Chance::printed();
    let mut cuts = 0;
    while cuts < between.cuts() {
        let at = between.carried() + chance.number() % APART;
        soon(async {
            while between.carried() < at {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let is_cut = between.break_one(chance.number() >> 32);
        cuts += u64::from(is_cut);
        if is_cut && cuts.is_multiple_of(IN_A_ROW) {
            for client in &clients {
                until(client, |state| {
                    !matches!(state, ConnectionState::Away { .. })
                })
                .await;
            }
        }
    }
    enough.store(true, Ordering::Relaxed);
    // Kept until all is done.
    between
}

async fn nothing_is_lost(between: Between) {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = Arc::new(streams::origin().await);
    let enough = Arc::new(AtomicBool::new(false));
    let interrupted = Arc::new(AtomicU64::new(0));
    let mut working = tokio::task::JoinSet::new();
    let mut clients = Vec::new();
    for number in 0..3 {
        let options = ConnectOptions {
            wait_for_readers: number == 0,
            ..ConnectOptions::default()
        };
        let client = between.client(options).await;
        for kind in 0..KINDS {
            let work = Work {
                client: client.clone(),
                number: number * KINDS + kind,
                round: 0,
                enough: Arc::clone(&enough),
                interrupted: Arc::clone(&interrupted),
            };
            let (folder, origin) = (folder.path().to_owned(), Arc::clone(&origin));
            working.spawn(async move {
                match kind {
                    0 => work.streams().await,
                    1 => work.echoes().await,
                    2 => work.writes_files(&folder).await,
                    3 => work.leaves_traces(&folder).await,
                    4 => work.fetches(&origin).await,
                    5 => work.stores(&folder).await,
                    _ => work.asks().await,
                }
            });
        }
        clients.push(client);
    }
    let cutting = tokio::spawn(cut(between, clients.clone(), Arc::clone(&enough)));
    while let Some(worked) = working.join_next().await {
        if let Err(error) = worked {
            enough.store(true, Ordering::Relaxed);
            std::panic::resume_unwind(error.into_panic());
        }
    }
    let _between = cutting.await.expect("cut");
    assert!(interrupted.load(Ordering::Relaxed) > 0, "no cut hit a call");
    // Nobody is left behind over there.
    for client in clients {
        assert!(
            matches!(client.state(), ConnectionState::Connected { resumed: 1.. }),
            "its session was resumed"
        );
        let running = soon(client.processes()).await.expect("a list").processes;
        let running: Vec<_> = running.iter().filter(|process| !process.exited).collect();
        assert!(running.is_empty(), "{running:?}");
    }
}
