//! What every scenario needs. Waiting is always for an event, with a deadline that only a broken build meets.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lockgate_process::{Engine, Process, Snapshot, Spawn, Stdio, Support};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const NO_STDIN: Stdio = Stdio::Pipes { stdin: false };
pub(crate) const STDIN: Stdio = Stdio::Pipes { stdin: true };
pub(crate) const TTY: Stdio = Stdio::Tty { rows: 0, cols: 0 };

pub(crate) fn program(argv: &[&str], stdio: Stdio) -> Spawn {
    Spawn {
        argv: argv.iter().map(OsString::from).collect(),
        arg0: None,
        cwd: PathBuf::from("/"),
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        stdio,
        readers: lockgate_process::Readers::default(),
        program: None,
        bounds: crate::BOUNDS,
    }
}

pub(crate) fn script(text: &str, stdio: Stdio) -> Spawn {
    program(&["/bin/sh", "-c", text], stdio)
}

/// This test is no program that could be a keeper, so another one is.
fn kept(engine: Engine) -> Engine {
    let own = std::env::current_exe().unwrap();
    let keeper = own.ancestors().nth(2).unwrap().join("examples/keeper");
    assert!(keeper.exists(), "the examples are built with the tests");
    engine.kept_by(&keeper).unwrap()
}

pub(crate) fn engine() -> Engine {
    kept(Engine::new())
}

pub(crate) fn engine_with(support: Support) -> Engine {
    kept(Engine::with(support))
}

pub(crate) fn start(spawn: Spawn) -> Arc<Process> {
    engine().spawn(spawn).unwrap()
}

pub(crate) fn sh(text: &str) -> Arc<Process> {
    start(script(text, NO_STDIN))
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("it should have happened by now")
}

/// Everything, once it has happened.
pub(crate) async fn closed(process: &Process) -> Snapshot {
    soon(process.log().closed()).await;
    process.log().snapshot(0, None)
}

pub(crate) async fn exited(process: &Process) -> i32 {
    soon(async {
        loop {
            let changed = process.log().changed();
            if let Some(code) = process.log().exit_code() {
                return code;
            }
            changed.await;
        }
    })
    .await
}

/// As soon as nothing is left of it.
pub(crate) async fn emptied(process: &Process) {
    let group = process.group();
    soon(async {
        while group.is_alive() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

pub(crate) fn text(snapshot: &Snapshot) -> String {
    let bytes: Vec<u8> = snapshot
        .chunks
        .iter()
        .flat_map(|chunk| chunk.data.clone())
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All output so far, as soon as `wanted` is in it.
pub(crate) async fn until(process: &Process, wanted: &str) -> String {
    soon(async {
        loop {
            let changed = process.log().changed();
            let so_far = text(&process.log().snapshot(0, None));
            if so_far.contains(wanted) {
                return so_far;
            }
            assert!(
                !process.log().is_closed(),
                "it ended without saying {wanted:?}: {so_far:?}"
            );
            changed.await;
        }
    })
    .await
}

/// The number in the line `name=NUMBER` of the output.
pub(crate) async fn number(process: &Process, name: &str) -> i32 {
    let key = format!("{name}=");
    let mut so_far = until(process, &key).await;
    while !so_far.split_once(&key).unwrap().1.contains('\n') {
        soon(process.log().changed()).await;
        so_far = text(&process.log().snapshot(0, None));
    }
    let rest = so_far.split_once(&key).unwrap().1;
    rest.lines().next().unwrap().trim().parse().unwrap()
}

/// A process that is not ours, watched by descriptor so that its end is an event.
pub(crate) struct Watched(OwnedFd);

impl Watched {
    pub(crate) fn new(pid: i32) -> Watched {
        Watched(
            pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).expect("it runs still"),
        )
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    pub(crate) fn assert_ends(&self) {
        assert!(self.wait(DEADLINE), "it lives on");
    }

    /// For what a test lets escape on purpose.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
        self.assert_ends();
    }

    fn wait(&self, time: Duration) -> bool {
        let time = Timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: 0,
        };
        loop {
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&time)) {
                Err(rustix::io::Errno::INTR) => {}
                ready => return ready.unwrap() == 1,
            }
        }
    }
}
