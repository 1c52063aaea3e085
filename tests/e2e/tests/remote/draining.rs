//! A rendezvous that stops says so, and everybody goes on at the next one.

use std::process::Stdio;

use futures_util::SinkExt;
use lockgate_e2e::{Executor, Rendezvous};
use lockgate_relay::{Acks, Body};
use rustix::process::Signal;

use crate::raw::{closed, connected, executor, frame};
use crate::running::LINES;
use crate::work::Way;

#[tokio::test]
async fn sigterm_closes_with_1012_and_no_stream_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rendezvous = Rendezvous::start(folder.path());
    let address = rendezvous.address().to_owned();
    let registry = rendezvous.url().to_owned();
    let token = rendezvous.token("sealed", "executor");
    let sealed = Executor::from_command(Executor::encrypting(&registry, "sealed", &token));
    let token = rendezvous.token("open", "executor");
    let open = Executor::start(&registry, "open", &token);
    let token = rendezvous.token("sealed", "harness");
    let ways = [
        Way::Encrypted {
            registry,
            environment: "sealed",
            token,
        },
        Way::Plain(rendezvous.harness_url("open", None)),
    ];
    // And two whose closes are seen.
    let mut by_hand = vec![executor(&rendezvous, "seen").await];
    by_hand.push(connected(&rendezvous.harness_url("seen", None)).await);
    let resume = frame("s", Acks::PLAIN, Body::Resume { next_seq: 0 });
    by_hand[1].send(resume).await.expect("sent");
    let children: Vec<_> = ways
        .iter()
        .map(|way| {
            let mut command = way.command(&["exec"], &["--", "sh", "-c", LINES]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("it runs")
        })
        .collect();
    for round in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        rendezvous.signal(Signal::TERM);
        for mut socket in by_hand.drain(..) {
            let close = closed(&mut socket).await;
            assert_eq!(u16::from(close.code), 1012, "{close:?}");
            assert!(close.reason.contains("connect again"), "{close:?}");
        }
        let status = rendezvous.wait();
        assert!(status.success(), "round {round}: {status}");
        rendezvous = Rendezvous::at(folder.path(), &address, &[]);
    }
    let expected: String = (1..=60).map(|i| format!("line {i}\n")).collect();
    for child in children {
        let output = child.wait_with_output().expect("its output");
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{words}");
        assert!(output.status.success(), "{words}");
    }
    for executor in [sealed, open] {
        let (status, said) = executor.stop();
        assert!(status.success(), "{said}");
        assert!(said.contains("closed by the other side (1012,"), "{said}");
    }
}
