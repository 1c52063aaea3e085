//! What is killed by SIGKILL at any moment: the rendezvous costs nothing but time, an executor ends its streams clearly.

use std::time::{Duration, Instant};

use lockgate_e2e::{Chance, DEADLINE, Rendezvous, is_running, kill_9};
use rustix::process::Signal;

use crate::house::House;
use crate::load::{Piece, each, under_load};
use crate::work::{Outcome, Work, until_connected};

/// Kills of a rendezvous.
const RENDEZVOUS: usize = 20;

/// Kills of executors, two at a time.
const EXECUTORS: usize = 6;

#[test]
fn attack_35_a_rendezvous_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rendezvous = Rendezvous::start(folder.path());
    let address = rendezvous.address().to_owned();
    let house = House::at(&rendezvous);
    let _executors = house.executors();
    let work = Work::new(folder.path());
    let harnesses = each(&house.ways, &[Piece::Stream, Piece::Copy]);
    let done = under_load(&work, &harnesses, || {
        let mut chance = Chance::printed();
        for _ in 0..RENDEZVOUS {
            chance.pause(Duration::from_millis(1_200));
            rendezvous.signal(Signal::KILL);
            rendezvous.wait();
            chance.pause(Duration::from_millis(100));
            rendezvous = Rendezvous::at(folder.path(), &address, &[]);
        }
    });
    assert!(done >= harnesses.len(), "{done} were done");
}

#[test]
fn attack_35_an_executor_that_is_killed_at_any_moment_ends_its_streams_clearly() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let house = House::at(&rendezvous);
    let work = Work::new(folder.path());
    let mut chance = Chance::printed();
    let mut executors = house.executors();
    let (mut failed, mut done) = (0, 0);
    for _ in 0..EXECUTORS {
        std::thread::scope(|scope| {
            let harnesses: Vec<_> = (0..4)
                .map(|number| {
                    let (way, work) = (&house.ways[number % 2], &work);
                    let target = folder.path().join(format!("target{number}"));
                    scope.spawn(move || match number / 2 {
                        0 => work.stream(way),
                        _ => work.copy(way, &target),
                    })
                })
                .collect();
            chance.pause(Duration::from_millis(1_500));
            for executor in &executors {
                // The server itself, or one of the guardians above it.
                let family = executor.family();
                kill_9(family[chance.number() as usize % family.len()]);
                gone(&family);
            }
            executors = house.executors();
            for harness in harnesses {
                match harness.join().expect("no wrong byte, and an end") {
                    Outcome::Done => done += 1,
                    Outcome::NeverConnected => failed += 1,
                    Outcome::Failed(words) => {
                        eprintln!("ended: {words}");
                        failed += 1;
                    }
                }
            }
        });
    }
    assert!(failed > 0, "{done} were done");
    // And the last ones serve.
    for way in &house.ways {
        let outcome = until_connected(|| work.stream(way));
        assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    }
}

/// Waits until none of them is there any more.
fn gone(family: &[u32]) {
    let begun = Instant::now();
    while family.iter().any(|pid| is_running(*pid)) {
        assert!(begun.elapsed() < DEADLINE, "{family:?} still run");
        std::thread::sleep(Duration::from_millis(1));
    }
}
