//! NATS servers that are killed at any moment under streams between nodes. What was acknowledged is sent again once a server is back.

use std::time::Duration;

use lockgate_e2e::{Chance, Executor, Nats, Rendezvous};

use crate::counting::Counting;
use crate::load::{Piece, each, under_load};
use crate::work::{Way, Work};

/// Kills, one after the other.
const KILLS: usize = 8;

#[test]
fn attack_35_nats_that_is_killed_under_load_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut nats = Nats::start(folder.path());
    let port = nats.port().to_owned();
    let nodes = [(); 2].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
    let [sealed, open] = ["sealed", "open"].map(|name| nodes[0].token(name, "executor"));
    let _executors = [
        Executor::from_command(Executor::encrypting(nodes[0].url(), "sealed", &sealed)),
        Executor::start(nodes[1].url(), "open", &open),
    ];
    // Each harness is at the other node.
    let ways = [
        Way::Encrypted {
            registry: nodes[1].url().to_owned(),
            environment: "sealed",
            token: nodes[0].token("sealed", "harness"),
        },
        Way::Plain(nodes[0].harness_url("open", None)),
    ];
    let work = Work::new(folder.path());
    let ends = folder.path().join("ends");
    let streams = ways.each_ref().map(|way| Counting::start(way, &ends));
    let heard = streams.each_ref().map(Counting::heard);
    let harnesses = each(&ways, &[Piece::Stream, Piece::Copy]);
    let done = under_load(&work, &harnesses, || {
        std::thread::scope(|scope| {
            for stream in streams {
                scope.spawn(|| stream.follow());
            }
            let mut chance = Chance::printed();
            for _ in 0..KILLS {
                let before = heard.each_ref().map(|heard| heard.lines());
                chance.pause(Duration::from_millis(1_500));
                nats.kill();
                chance.pause(Duration::from_millis(1_000));
                nats = Nats::at(folder.path(), &port);
                for (heard, before) in heard.iter().zip(before) {
                    heard.wait_for(before + 50);
                }
            }
            std::fs::write(&ends, "").expect("a file");
        });
    });
    assert!(done >= harnesses.len(), "{done} were done");
}
