//! Connections that are cut a thousand times while processes stream and files are copied: every byte arrives once and in order.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lockgate_e2e::{Executor, Rendezvous, lockgate};

use crate::proxy::Proxy;

const CUTS: u64 = 1_000;

/// What a process says over a second or two, in pieces of all sizes.
const SCRIPT: &str =
    "i=0; while [ $i -lt 60 ]; do seq $i $((i * 40)); echo e$i >&2; sleep 0.02; i=$((i + 1)); done";

#[test]
fn a_thousand_cuts_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let proxy = Proxy::to(rendezvous.address());
    let token = rendezvous.token("box", "executor");
    let registry = format!("http://{}", proxy.address());
    let executor = Executor::start(&registry, "box", &token);
    let url = rendezvous.harness_url("box", Some(proxy.address()));
    let expected = Command::new("sh")
        .args(["-c", SCRIPT])
        .output()
        .expect("it runs");
    let large: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|i| (i ^ (i << 7)).to_le_bytes())
        .collect();
    let source = folder.path().join("source");
    std::fs::write(&source, &large).expect("a file");
    let (cuts, rounds, enough) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (url, rounds, enough) = (&url, &rounds, &enough);
            let (expected, large, source) = (&expected, &large, &source);
            let target = folder.path().join(format!("target{number}"));
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let output = if number % 2 == 0 {
                        let output = lockgate_at(url, &["exec"], &["--", "sh", "-c", SCRIPT]);
                        assert_eq!(
                            String::from_utf8_lossy(&output.stderr),
                            String::from_utf8_lossy(&expected.stderr)
                        );
                        assert!(output.stdout == expected.stdout, "{}", output.stdout.len());
                        output
                    } else {
                        let [from, to] =
                            [source, &target].map(|path| path.to_str().expect("a path"));
                        let output = lockgate_at(url, &["fs", "put"], &[from, to]);
                        assert!(
                            output.status.success(),
                            "{}",
                            String::from_utf8_lossy(&output.stderr)
                        );
                        assert!(std::fs::read(&target).expect("a file") == *large);
                        let output = lockgate_at(url, &["fs", "cat"], &[to]);
                        assert!(output.stdout == *large, "{}", output.stdout.len());
                        output
                    };
                    assert!(
                        output.status.success(),
                        "{}",
                        String::from_utf8_lossy(&output.stderr)
                    );
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // A fixed sequence, so that what was seen can be seen again, as far as clocks allow.
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        while cuts.load(Ordering::Relaxed) < CUTS {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            std::thread::sleep(Duration::from_millis(random % 80));
            if proxy.cut(random >> 32) {
                cuts.fetch_add(1, Ordering::Relaxed);
            }
        }
        enough.store(true, Ordering::Relaxed);
    });
    let rounds = rounds.load(Ordering::Relaxed);
    assert!(rounds >= 6, "{rounds} rounds");
    let (status, said) = executor.stop();
    assert!(status.success(), "{said}");
}

fn lockgate_at(url: &str, command: &[&str], rest: &[&str]) -> std::process::Output {
    // The first connection may be cut before it is one, which is for who called to try again.
    for _ in 0..50 {
        let output = Command::new(lockgate())
            .args(command)
            .args(["--url", url])
            .args(rest)
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let never_connected = ["cannot connect to", "no answer to initialize"];
        if never_connected.iter().any(|reason| words.contains(reason)) {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        }
        return output;
    }
    panic!("50 attempts to connect were cut");
}
