//! Connections that are cut a thousand times while processes stream and files are copied: every byte arrives once and in order.

use std::time::Duration;

use lockgate_e2e::{Chance, Executor, Proxy, Rendezvous};

use crate::load::{Piece, each, under_load};
use crate::work::{Way, Work};

/// Half of the thousand each, at the same time where the machine has room.
const CUTS: u64 = 500;

#[test]
fn a_thousand_cuts_lose_nothing_and_double_nothing() {
    cut(false);
}

#[test]
fn a_thousand_cuts_lose_nothing_and_double_nothing_encrypted() {
    cut(true);
}

fn cut(encrypted: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let proxy = Proxy::to(rendezvous.address());
    let token = rendezvous.token("box", "executor");
    // Requests to the registry are cut as well.
    let registry = format!("http://{}", proxy.address());
    let (executor, way) = if encrypted {
        let executor = Executor::encrypting(&registry, "box", &token);
        let token = rendezvous.token("box", "harness");
        let environment = "box";
        let way = Way::Encrypted {
            registry,
            environment,
            token,
        };
        (Executor::from_command(executor), way)
    } else {
        let executor = Executor::start(&registry, "box", &token);
        let url = rendezvous.harness_url("box", Some(proxy.address()));
        (executor, Way::Plain(url))
    };
    let work = Work::new(folder.path());
    let pieces = [Piece::Stream, Piece::Copy].repeat(3);
    let rounds = under_load(&work, &each(&[way], &pieces), || {
        let mut chance = Chance::printed();
        let mut cuts = 0;
        while cuts < CUTS {
            chance.pause(Duration::from_millis(80));
            cuts += u64::from(proxy.cut(chance.number() >> 32));
        }
    });
    assert!(rounds >= pieces.len(), "{rounds} rounds");
    let (status, said) = executor.stop();
    assert!(status.success(), "{said}");
}
