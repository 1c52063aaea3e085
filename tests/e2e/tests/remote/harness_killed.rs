//! Harnesses that are killed at any moment: what they had printed was right, and nobody else notices.

use std::process::Stdio;
use std::time::{Duration, Instant};

use lockgate_e2e::{Chance, DEADLINE, Rendezvous, kill_9};

use crate::counting::Counting;
use crate::house::House;
use crate::raw::ask;
use crate::work::{Outcome, Work};

/// Kills of three harnesses each.
const ROUNDS: usize = 8;

#[test]
fn attack_35_a_harness_that_is_killed_at_any_moment_disturbs_nobody_and_keeps_no_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let house = House::at(&rendezvous);
    let _executors = house.executors();
    let House {
        ways,
        harness: token,
        ..
    } = &house;
    let work = Work::new(folder.path());
    let target = folder.path().join("target");
    let ends = folder.path().join("ends");
    let others = ways.each_ref().map(|way| Counting::start(way, &ends));
    let heard = others.each_ref().map(Counting::heard);
    let mut chance = Chance::printed();
    std::thread::scope(|scope| {
        for other in others {
            scope.spawn(|| other.follow());
        }
        let mut counted = 0;
        for round in 0..ROUNDS {
            let before = heard.each_ref().map(|heard| heard.lines());
            let later = folder.path().join(format!("ends{round}"));
            let doomed = ways.each_ref().map(|way| Counting::start(way, &later));
            let [from, to] = [work.source(), &target].map(|path| path.to_str().expect("text"));
            let mut copying = ways[round % 2]
                .command(&["fs", "put"], &[from, to])
                .stderr(Stdio::null())
                .spawn()
                .expect("it runs");
            chance.pause(Duration::from_millis(400));
            kill_9(copying.id());
            for mut doomed in doomed {
                kill_9(doomed.pid());
                let (lines, by_itself) = doomed.count();
                assert!(!by_itself);
                counted += lines;
            }
            copying.wait().expect("it ends");
            // Their processes wait for them to come back.
            std::fs::write(later, "").expect("a file");
            for (heard, before) in heard.iter().zip(before) {
                heard.wait_for(before + 50);
            }
        }
        assert!(counted > 0, "none of them had printed anything");
        std::fs::write(&ends, "").expect("a file");
    });
    // What was begun is done by the next one, as if nobody had tried before.
    for way in ways {
        let outcome = work.copy(way, &target);
        assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    }
    let begun = Instant::now();
    loop {
        let (_, answer) = ask(&rendezvous, "GET", "/cloud/environments", token);
        let list = answer["environments"].as_array().expect("a list");
        if list
            .iter()
            .all(|one| one["connected"] == true && one["harnesses"] == 0)
        {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{answer}");
    }
}
