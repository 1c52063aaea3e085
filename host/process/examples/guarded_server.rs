//! The smallest server with a guardian, for `tests/guardian.rs`: starts things that would like to survive it, one without bounds and one with a
//! keeper, says who they are, and waits.
#![allow(clippy::unwrap_used)]

use lockgate_process::guardian::Guardian;
use lockgate_process::{Bounds, Engine, Process, Spawn, Stdio, keeper};
use tokio::signal::unix::{SignalKind, signal};

/// A plain child, a grandchild in a session of its own, and an orphan of which nobody knows any more.
const STUBBORN: &str = "trap '' TERM HUP INT
    setsid sh -c 'trap \"\" TERM; echo ${KIND}grandchild=$$; sleep 1000; :' &
    (setsid sh -c 'trap \"\" TERM; echo ${KIND}orphan=$$; sleep 1000; :' &)
    echo ${KIND}child=$$
    while :; do sleep 1000; done";

fn main() {
    keeper::run_if_asked();
    // With any argument, it has none.
    let guardian = (std::env::args().count() == 1).then(Guardian::start);
    println!("inner={}", rustix::process::getppid().unwrap().as_raw_pid());
    println!("server={}", std::process::id());
    println!(
        "active={}",
        u8::from(guardian.is_some_and(|guardian| guardian.is_active()))
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let code = runtime.block_on(serve());
    drop(runtime);
    std::process::exit(code);
}

async fn serve() -> i32 {
    let mut end = signal(SignalKind::terminate()).unwrap();
    let engine = Engine::new();
    let start = |kind: &str, bounds| {
        let spawn = Spawn {
            argv: ["/bin/sh", "-c", STUBBORN].map(Into::into).to_vec(),
            arg0: None,
            cwd: "/".into(),
            env: vec![("KIND".into(), kind.into())],
            stdio: Stdio::Pipes { stdin: false },
            readers: lockgate_process::Readers::default(),
            program: None,
            bounds,
        };
        engine.spawn(spawn).unwrap()
    };
    let free = start("", Bounds::default());
    tell(&free).await;
    let kept = start(
        "kept-",
        Bounds {
            time: None,
            output: Some(1 << 20),
        },
    );
    tell(&kept).await;
    println!("keeper={}", parent(parent(kept.pid())));
    println!("ready");
    end.recv().await;
    7
}

/// Its three lines.
async fn tell(process: &Process) {
    let mut seen = 0;
    let mut lines = 0;
    while lines < 3 {
        process.log().wait_ready(seen).await;
        let snapshot = process.log().snapshot(seen, None);
        seen = snapshot.next_seq - 1;
        for chunk in snapshot.chunks {
            lines += chunk.data.iter().filter(|byte| **byte == b'\n').count();
            print!("{}", String::from_utf8_lossy(&chunk.data));
        }
    }
}

fn parent(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    after_name
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
