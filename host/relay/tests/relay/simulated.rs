//! Thousands of networks that lose, double, delay, reorder and cut: every byte arrives once and in order.
//! 1,000 of each kind ([`crate::seeds`]).

use std::time::Duration;

use bytes::Bytes;
use lockgate_relay::{Ended, Reason, Role, StreamId};

use crate::end::End;
use crate::network::{Faults, Network};
use crate::random::Random;
use crate::seeds::run_seeds;

/// How a kind of network differs from the others.
#[derive(Clone, Copy)]
struct Kind {
    lost: u64,
    doubled: u64,
    late: u64,
    cuts: u64,
    largest: usize,
}

const LOSSY: Kind = Kind {
    lost: 30,
    doubled: 20,
    late: 0,
    cuts: 0,
    largest: 60_000,
};

const REORDERING: Kind = Kind {
    lost: 3,
    doubled: 10,
    late: 100,
    cuts: 0,
    largest: 60_000,
};

const CUT: Kind = Kind {
    lost: 0,
    doubled: 0,
    late: 0,
    cuts: 8,
    largest: 100_000,
};

const ALL: Kind = Kind {
    lost: 20,
    doubled: 20,
    late: 50,
    cuts: 5,
    largest: 200_000,
};

fn run_kind(kind: Kind) {
    run_seeds(1_000, |seed| {
        run(seed, kind);
    });
}

/// Gives the story of the network.
fn run(seed: u64, kind: Kind) -> u64 {
    let mut random = Random::new(seed ^ 0x6c6f_636b_6761_7465);
    let streams: Vec<_> = (0..1 + random.below(4))
        .map(|number| StreamId::new(&format!("stream-{number}")).expect("a name"))
        .collect();
    let mut sent = [Vec::new(), Vec::new()];
    let mut greeted = Vec::new();
    let mut network = Network::new([End::of(Role::Harness), End::of(Role::Executor)], seed);
    network.delay = Duration::from_micros(random.below(80_000));
    network.bandwidth = random
        .percent(30)
        .then(|| 200_000 + random.below(10_000_000));
    network.faults = Faults {
        lost: random.below(kind.lost + 1),
        doubled: random.below(kind.doubled + 1),
        late: random.below(kind.late + 1),
        jitter: Duration::from_millis(random.below(200)),
    };
    for stream in &streams {
        for (side, sent) in sent.iter_mut().enumerate() {
            // Somebody has to begin, and that is the harness.
            let count = random.below(30) + u64::from(side == 0);
            let messages: Vec<_> = (0..count)
                .map(|_| Bytes::from(random.message(kind.largest)))
                .collect();
            network.ends[side].will_send(stream, messages.iter().cloned());
            sent.push(messages);
        }
        network.ends[0]
            .connection
            .open(stream, network.now)
            .expect("opened");
        if random.percent(50) {
            network.ends[0].greet(stream, random.message(8_000).into());
            greeted.push(stream.clone());
        }
    }
    network.ends[1].answer = Some(Bytes::from(random.message(8_000)));

    let mut cuts = random.below(kind.cuts + 1);
    while cuts > 0 {
        network.run(Duration::from_millis(random.below(400)));
        let (side, both) = (random.below(2) as usize, random.percent(50));
        network.cut(side, both);
        network.run(Duration::from_millis(random.below(3_000)));
        network.mend(side, both);
        network.ends[side].is_slow = random.percent(20);
        cuts -= 1;
    }
    network.run(Duration::from_millis(random.below(1_000)));
    network.ends.iter_mut().for_each(|end| end.is_slow = false);

    let all_arrived = |network: &Network| {
        (0..2).all(|side| {
            let received = &network.ends[1 - side].received;
            streams
                .iter()
                .zip(&sent[side])
                .all(|(stream, sent)| received.get(stream).map_or(0, Vec::len) >= sent.len())
        })
    };
    network.run_until(Duration::from_secs(600), all_arrived);
    // And nothing comes twice after that.
    network.run(Duration::from_secs(20));
    for side in 0..2 {
        assert!(
            network.ends[side].closed.is_empty(),
            "{:?}",
            network.ends[side].closed
        );
        for (stream, sent) in streams.iter().zip(&sent[side]) {
            let received = network.ends[1 - side].received.get(stream);
            let received = received.map_or(&[][..], |received| received);
            assert!(received == sent, "stream {stream} of end {side}");
        }
    }
    for end in &network.ends {
        assert!(end.handshakes.keys().eq(&greeted), "every handshake came");
    }
    // The end is told, whatever is lost on the way.
    for stream in &streams {
        network.ends[0].connection.finish(stream).expect("open");
    }
    network.run_until(Duration::from_secs(300), |network| {
        network
            .ends
            .iter()
            .all(|end| end.closed.len() == streams.len())
    });
    for (side, why) in [
        (0, None),
        (1, Some(Reason::new("closed").expect("a reason"))),
    ] {
        for (stream, ended) in &network.ends[side].closed {
            let told = match ended {
                Ended::Here => None,
                Ended::ByPeer(reason) => Some(reason.as_str()),
                // Every question or its answer was lost for a minute.
                Ended::PeerGone if side == 1 && network.faults.lost > 0 => continue,
                other => panic!("{stream}: {other}"),
            };
            // If the reset itself was lost, it is said again in answer to what comes late.
            let again = why.is_some() && told == Some("the stream is over");
            assert!(
                again || told == why.as_ref().map(Reason::as_str),
                "{stream}: {ended}"
            );
        }
    }
    network.story()
}

#[test]
fn every_byte_arrives_once_and_in_order_over_a_network_that_loses_and_doubles() {
    run_kind(LOSSY);
}

#[test]
fn every_byte_arrives_once_and_in_order_over_a_network_that_reorders() {
    run_kind(REORDERING);
}

#[test]
fn every_byte_arrives_once_and_in_order_over_connections_that_are_cut() {
    run_kind(CUT);
}

#[test]
fn every_byte_arrives_once_and_in_order_over_everything_at_once() {
    run_kind(ALL);
}

#[test]
fn a_seed_runs_again_exactly_as_it_ran_before() {
    for kind in [LOSSY, REORDERING, CUT, ALL] {
        run_seeds(25, |seed| assert_eq!(run(seed, kind), run(seed, kind)));
        assert_ne!(run(0, kind), run(1, kind), "and others run otherwise");
    }
}
