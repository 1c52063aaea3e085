//! The smallest server with a guardian, for `tests/guardian.rs`: starts things that would like to survive it, says who they are, and waits.
#![allow(clippy::unwrap_used)]

use lockgate_process::guardian::Guardian;
use lockgate_process::{Engine, Spawn, Stdio};
use tokio::signal::unix::{SignalKind, signal};

/// A plain child, a grandchild in a session of its own, and an orphan of which nobody knows any more.
const STUBBORN: &str = "trap '' TERM HUP INT
    echo child=$$
    setsid sh -c 'trap \"\" TERM; echo grandchild=$$; sleep 1000; :' &
    (setsid sh -c 'trap \"\" TERM; echo orphan=$$; sleep 1000; :' &)
    while :; do sleep 1000; done";

fn main() {
    let guardian = Guardian::start();
    println!("inner={}", rustix::process::getppid().unwrap().as_raw_pid());
    println!("server={}", std::process::id());
    println!("active={}", u8::from(guardian.is_active()));
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
    let process = Engine::new()
        .spawn(Spawn {
            argv: ["/bin/sh", "-c", STUBBORN].map(Into::into).to_vec(),
            arg0: None,
            cwd: "/".into(),
            env: vec![],
            stdio: Stdio::Pipes { stdin: false },
            readers: lockgate_process::Readers::default(),
            program: None,
            bounds: lockgate_process::Bounds::default(),
        })
        .unwrap();
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
    println!("ready");
    end.recv().await;
    7
}
