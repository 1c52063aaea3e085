//! `fs get --resume` and `fs put --resume` through a rendezvous whose stream is broken in the middle: they go on on another one.

use std::path::Path;
use std::process::Output;

use crate::far::Far;
use crate::support::soon;

const LARGE: usize = 12_000_000;
/// Of the bytes on the way: some two thirds.
const BREAKS_AFTER: u64 = 10_000_000;

/// Nothing compresses it, and no two blocks are the same.
fn noise(seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(LARGE).collect()
}

async fn transfer(far: &Far, verb: &str, retries: &str, from: &Path, to: &Path) -> Output {
    let mut command = far.files(verb);
    command.args(["--resume", "--retries", retries]);
    command.args([from, to]);
    let run = tokio::task::spawn_blocking(move || command.output().expect("runs"));
    soon(run).await.expect("no panic")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn goes_on(encrypt: bool) {
    let far = Far::start(encrypt).await;
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    for (number, verb) in ["get", "put"].into_iter().enumerate() {
        let contents = noise(number as u32 + 1);
        std::fs::write(&from, &contents).expect("written");

        // By itself.
        let to = folder.path().join(format!("{verb} by itself"));
        far.breaker.break_after(BREAKS_AFTER);
        let before = far.breaker.carried();
        let output = transfer(&far, verb, "3", &from, &to).await;
        let words = said(&output);
        assert!(output.status.success(), "{words}");
        assert_eq!(words.matches("; going on\n").count(), 1, "{words}");
        assert!(std::fs::read(&to).expect("there") == contents);
        // Base64 makes four bytes of three. What was on its way comes again, and nothing else.
        let carried = far.breaker.carried() - before;
        assert!(carried < 25_000_000, "{carried}");

        // By another command.
        let to = folder.path().join(format!("{verb} by another command"));
        far.breaker.break_after(BREAKS_AFTER);
        let output = transfer(&far, verb, "0", &from, &to).await;
        let words = said(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("the same command goes on"), "{words}");
        assert!(!to.exists());
        let before = far.breaker.carried();
        let output = transfer(&far, verb, "0", &from, &to).await;
        assert!(output.status.success(), "{}", said(&output));
        assert!(std::fs::read(&to).expect("there") == contents);
        let carried = far.breaker.carried() - before;
        assert!(carried < LARGE as u64, "{carried}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_on_after_its_stream_was_broken() {
    goes_on(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_on_after_its_stream_was_broken_encrypted() {
    goes_on(true).await;
}
