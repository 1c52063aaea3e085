//! Handshake frames between peers that keep the contract, over networks that do not.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_relay::{Acks, Body, Connection, Ended, Frame, Role, StreamError, StreamId, limits};

use crate::end::End;
use crate::network::Network;
use crate::seeds::run_seeds;

const MS: Duration = Duration::from_millis(1);

fn id() -> StreamId {
    StreamId::new("stream").expect("a name")
}

/// A harness that has begun a stream with a handshake, and an executor that answers to it.
fn greeting() -> Network {
    let mut network = Network::new([End::of(Role::Harness), End::of(Role::Executor)], 1);
    network.ends[1].answer = Some("message 2".into());
    network.ends[0]
        .connection
        .open(&id(), network.now)
        .expect("opened");
    network.ends[0].greet(&id(), "message 1".into());
    network.ends[0].will_send(&id(), [Bytes::from("record")]);
    network
}

fn arrived(network: &Network) -> bool {
    let [harness, executor] = &network.ends;
    harness
        .handshakes
        .get(&id())
        .is_some_and(|came| came == "message 2")
        && executor
            .handshakes
            .get(&id())
            .is_some_and(|came| came == "message 1")
        && executor
            .received
            .get(&id())
            .is_some_and(|came| *came == ["record"])
}

#[test]
fn a_handshake_takes_one_round_trip_and_is_not_sent_again_once_it_is_there() {
    let mut network = greeting();
    network.run_until(20 * MS, arrived);
    network.run(5_000 * MS);
    let before = network.frames;
    network.run(14_000 * MS);
    // Heartbeats and their answers; a handshake would have come every 10 s.
    let frames = network.frames[0] + network.frames[1] - before[0] - before[1];
    assert!(frames <= 4, "{frames} frames");
    assert!(network.ends.iter().all(|end| end.closed.is_empty()));
}

#[test]
fn a_handshake_that_was_lost_is_sent_again() {
    run_seeds(200, |seed| {
        let mut network = greeting();
        network.random = crate::random::Random::new(seed);
        network.faults.lost = 20;
        network.faults.doubled = 30;
        network.run_until(120_000 * MS, arrived);
    });
}

#[test]
fn a_handshake_that_a_cut_took_is_sent_again_on_the_next_connection() {
    // Each 2 ms: before it left, on its way, before the answer, on the way of that.
    for at in 0..10 {
        for (side, both) in [(0, true), (1, true), (0, false), (1, false)] {
            let mut network = greeting();
            network.run(2 * at * MS);
            network.cut(side, both);
            network.run(200 * MS);
            network.mend(side, both);
            network.run_until(5_000 * MS, arrived);
            assert!(
                network.ends.iter().all(|end| end.closed.is_empty()),
                "cut after {at}"
            );
        }
    }
}

#[test]
fn an_executor_that_takes_its_time_to_answer_is_waited_for() {
    let mut network = greeting();
    network.ends[1].answer = None;
    network.run(limits::OPENING - 100 * MS);
    network.ends[1]
        .connection
        .send_handshake(&id(), "message 2".into())
        .expect("the first");
    network.run_until(20 * MS, arrived);
}

#[test]
fn a_peer_that_repeats_its_handshake_is_answered_at_once_but_not_without_end() {
    let mut now = Instant::now();
    let mut executor = Connection::new(Role::Executor);
    let message_1 = Frame {
        stream: id(),
        acks: Acks {
            ack: u32::MAX,
            bits: 0,
        },
        body: Body::Handshake("message 1".into()),
    };
    executor.receive(message_1.clone(), now);
    executor
        .send_handshake(&id(), "message 2".into())
        .expect("the first");
    let answers = |executor: &mut Connection, now| {
        let frames = std::iter::from_fn(|| executor.poll_transmit(now));
        frames
            .filter(|frame| matches!(frame.body, Body::Handshake(_)))
            .count()
    };
    assert_eq!(answers(&mut executor, now), 1);
    for expected in [0, 1, 0, 1] {
        now += limits::TIMEOUT_LEAST / 2;
        executor.receive(message_1.clone(), now);
        assert_eq!(answers(&mut executor, now), expected);
    }
}

#[test]
fn who_begins_with_a_handshake_and_goes_no_further_loses_its_place() {
    let mut network = greeting();
    network.ends[0].to_send.clear();
    network.run(limits::OPENING + 100 * MS);
    assert_eq!(network.ends[1].closed[&id()], Ended::NothingCame);
}

#[test]
fn a_handshake_comes_before_messages_and_once() {
    let mut network = greeting();
    network.run_until(20 * MS, arrived);
    let again = |network: &mut Network, side: usize, payload: Bytes| {
        network.ends[side].connection.send_handshake(&id(), payload)
    };
    let late = Err(StreamError::HandshakeLate(id()));
    assert_eq!(again(&mut network, 0, "message 1".into()), late);
    assert_eq!(again(&mut network, 1, "message 2".into()), late);
    let bytes = limits::HANDSHAKE_BYTES + 1;
    for bytes in [0, bytes] {
        let refused = Err(StreamError::HandshakeSize { bytes });
        assert_eq!(again(&mut network, 0, vec![0; bytes].into()), refused);
    }
    let harness = &mut network.ends[0].connection;
    let other = StreamId::new("other").expect("a name");
    harness.open(&other, network.now).expect("opened");
    harness.send(&other, "{}".into()).expect("room");
    let late = Err(StreamError::HandshakeLate(other.clone()));
    assert_eq!(harness.send_handshake(&other, "message 1".into()), late);
}
