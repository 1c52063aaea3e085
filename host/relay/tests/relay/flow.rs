//! Flow control and fairness, counted in simulated time, so that the figures are the same everywhere.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_relay::{
    Acks, Body, Connection, Ended, Frame, Reason, Role, Segment, StreamError, StreamId, limits,
};

use crate::end::End;
use crate::network::Network;

const MS: Duration = Duration::from_millis(1);
const MIB: usize = 1 << 20;

fn id(name: &str) -> StreamId {
    StreamId::new(name).expect("a name")
}

/// A harness and an executor that have said hello to each other on these streams.
fn connected(names: &[&str], delay: Duration) -> Network {
    let mut network = Network::new([End::of(Role::Harness), End::of(Role::Executor)], 1);
    network.delay = delay;
    for name in names {
        network.ends[0]
            .connection
            .open(&id(name), network.now)
            .expect("opened");
        network.ends[0].will_send(&id(name), [Bytes::from_static(b"hello")]);
        network.ends[1].will_send(&id(name), [Bytes::from_static(b"hello")]);
    }
    network.run(Duration::from_secs(2));
    network
}

fn flood(network: &mut Network, name: &str, bytes: usize) {
    let message = Bytes::from(vec![7; MIB]);
    network.ends[0].will_send(&id(name), std::iter::repeat_n(message, bytes / MIB));
}

#[test]
fn at_100_ms_of_round_trip_one_stream_has_80_percent_of_what_its_window_allows() {
    let mut network = connected(&["one"], 50 * MS);
    let before = network.ends[1].bytes_received(&id("one"));
    let started = network.elapsed();
    flood(&mut network, "one", 256 * MIB);
    network.run_until(Duration::from_secs(60), |network| {
        network.ends[1].bytes_received(&id("one")) >= before + 256 * MIB
    });
    let seconds = (network.elapsed() - started).as_secs_f64();
    let allowed = limits::WINDOW_BYTES as f64 / 0.1;
    let share = (256 * MIB) as f64 / seconds / allowed;
    assert!(share >= 0.8, "{share:.2} of {allowed:.0} bytes a second");
}

#[test]
fn small_messages_have_the_window_in_segments() {
    let mut network = connected(&["one"], 50 * MS);
    let started = network.elapsed();
    network.ends[0].will_send(
        &id("one"),
        (0..10_000).map(|_| Bytes::from_static(b"a small call")),
    );
    network.run_until(Duration::from_secs(60), |network| {
        network.ends[1].received[&id("one")].len() > 10_000
    });
    let seconds = (network.elapsed() - started).as_secs_f64();
    let share = 10_000.0 / seconds / (f64::from(limits::WINDOW_SEGMENTS) / 0.1);
    assert!(share >= 0.8, "{share:.2}");
}

#[test]
fn an_interrupt_gets_through_a_flooded_connection_within_50_ms() {
    // 10 Mbit/s: the flood would take minutes.
    let floods: Vec<_> = (0..8).map(|number| format!("flood-{number}")).collect();
    let mut names: Vec<_> = floods.iter().map(String::as_str).collect();
    names.push("interrupt");
    let mut network = connected(&names, MS);
    network.bandwidth = Some(10_000_000 / 8);
    for name in &floods {
        flood(&mut network, name, 16 * MIB);
    }
    network.run(Duration::from_secs(2));
    for number in 1..=50 {
        let started = network.elapsed();
        network.ends[0].will_send(&id("interrupt"), [Bytes::from_static(b"interrupt")]);
        network.run_until(Duration::from_secs(60), |network| {
            network.ends[1].received[&id("interrupt")].len() > number
        });
        let took = network.elapsed() - started;
        assert!(took <= 50 * MS, "interrupt {number} took {took:?}");
        network.run(73 * MS);
    }
    assert!(
        network.ends[1].bytes_received(&id("flood-7")) < 16 * MIB,
        "the flood is still on"
    );
}

#[test]
fn floods_share_what_there_is() {
    let mut network = connected(&["a", "b", "c"], MS);
    network.bandwidth = Some(1_000_000);
    for name in ["a", "b", "c"] {
        flood(&mut network, name, 16 * MIB);
    }
    network.run(Duration::from_secs(21));
    let got = ["a", "b", "c"].map(|name| network.ends[1].bytes_received(&id(name)) / MIB);
    assert!(got.iter().all(|got| (5..=7).contains(got)), "{got:?}");
}

#[test]
fn who_does_not_read_stops_its_own_stream_and_no_other() {
    let mut network = connected(&["stalled"], MS);
    network.ends[1].is_slow = true;
    flood(&mut network, "stalled", 32 * MIB);
    network.run(Duration::from_secs(10));
    let sent = network.bytes[0] as usize;
    assert!(sent < 16 * MIB, "{sent} bytes were sent");
    assert_eq!(
        network.ends[0]
            .connection
            .send(&id("stalled"), Bytes::from_static(b"x")),
        Err(StreamError::Full(id("stalled")))
    );

    // It asks now and then, with a segment; for an hour it neither gives up nor sends much.
    network.run(Duration::from_secs(3_600));
    let asked = network.bytes[0] as usize - sent;
    assert!(
        asked < 3_600 / 10 * 2 * limits::SEGMENT_BYTES,
        "{asked} bytes"
    );

    // Another stream goes on meanwhile.
    network.ends[0]
        .connection
        .open(&id("other"), network.now)
        .expect("opened");
    network.ends[0].will_send(&id("other"), [Bytes::from_static(b"hello")]);
    network.run(Duration::from_secs(1));
    let now = network.now;
    assert_eq!(
        network.ends[1].connection.read(&id("other"), now),
        Ok(Some(Bytes::from_static(b"hello")))
    );

    // Once it reads everything is there.
    network.ends[1].is_slow = false;
    network.run_until(Duration::from_secs(60), |network| {
        network.ends[1].bytes_received(&id("stalled")) == 32 * MIB + 5
    });
    assert!(network.ends.iter().all(|end| end.closed.is_empty()));
}

#[test]
fn the_largest_message_goes_through_and_a_larger_one_is_refused() {
    let mut network = connected(&["one"], MS);
    let largest = Bytes::from(vec![3; limits::MESSAGE_BYTES]);
    network.ends[0].will_send(&id("one"), [largest.clone()]);
    network.run_until(Duration::from_secs(60), |network| {
        network.ends[1].received[&id("one")].len() == 2
    });
    assert!(network.ends[1].received[&id("one")][1] == largest);
    let send = |network: &mut Network, bytes: usize| {
        network.ends[0]
            .connection
            .send(&id("one"), vec![3; bytes].into())
    };
    let bytes = limits::MESSAGE_BYTES + 1;
    assert_eq!(
        send(&mut network, bytes),
        Err(StreamError::MessageTooLarge { bytes })
    );
    assert_eq!(send(&mut network, 0), Err(StreamError::EmptyMessage));
}

#[test]
fn a_peer_that_is_gone_is_noticed_and_one_that_only_sleeps_is_not() {
    let mut network = connected(&["one"], MS);
    // Both ends idle for a day: each knows of the other that it lives.
    network.run(Duration::from_secs(86_400));
    assert!(network.ends.iter().all(|end| end.closed.is_empty()));
    let a_minute = network.frames[0];
    network.run(Duration::from_secs(60));
    assert!(
        (2..20).contains(&(network.frames[0] - a_minute)),
        "heartbeats are few"
    );

    // The machine of one end sleeps for an hour, and then has to ask first.
    network.now += Duration::from_secs(3_600);
    network.run(Duration::from_secs(120));
    assert!(network.ends.iter().all(|end| end.closed.is_empty()));

    network.faults.lost = 100;
    network.run(Duration::from_secs(50));
    assert!(
        network.ends.iter().all(|end| end.closed.is_empty()),
        "not at once"
    );
    network.run(Duration::from_secs(60));
    assert!(
        network
            .ends
            .iter()
            .all(|end| end.closed[&id("one")] == Ended::PeerGone)
    );
}

#[test]
fn a_stream_waits_for_its_connection_but_not_for_ever() {
    let mut network = connected(&["one"], MS);
    network.ends[0].will_send(&id("one"), [Bytes::from_static(b"sent in vain")]);
    network.cut(0, true);
    network.run(limits::LINK_DOWN - MS);
    network.mend(0, true);
    network.run(Duration::from_secs(1));
    assert_eq!(network.ends[1].received[&id("one")].len(), 2);
    network.cut(0, true);
    network.run(limits::LINK_DOWN + MS);
    assert!(
        network
            .ends
            .iter()
            .all(|end| end.closed[&id("one")] == Ended::LinkDown)
    );
}

#[test]
fn what_a_resume_acknowledges_is_no_measure_of_the_way() {
    // Three seconds pass because the peer had no connection; after that a loss is to be noticed as soon as ever.
    let mut now = Instant::now();
    let mut harness = Connection::new(Role::Harness);
    harness.open(&id("one"), now).expect("opened");
    harness.send(&id("one"), "before".into()).expect("room");
    while harness.poll_transmit(now).is_some() {}
    now += 3_000 * MS;
    let resume = Frame {
        stream: id("one"),
        acks: Acks {
            ack: u32::MAX,
            bits: 1,
        },
        body: Body::Resume { next_seq: 1 },
    };
    harness.receive(resume, now);
    harness.send(&id("one"), "after".into()).expect("room");
    while harness.poll_transmit(now).is_some() {}
    assert_eq!(harness.deadline(), Some(now + limits::TIMEOUT_FIRST));
}

#[test]
fn what_is_read_from_a_connection_that_is_given_up_changes_nothing() {
    let mut network = connected(&["one"], MS);
    let frame = Frame {
        stream: id("late"),
        acks: Acks::PLAIN,
        body: Body::Data(Segment::new(0, 0, 1, "x".into()).expect("a segment")),
    };
    let now = network.now;
    let executor = &mut network.ends[1].connection;
    executor.link_lost(now);
    executor.receive(frame, now);
    assert_eq!(executor.poll_event(), None);
    assert_eq!(
        executor.deadline(),
        Some(now + limits::LINK_DOWN),
        "only the streams that there were wait"
    );
}

#[test]
fn after_a_cut_a_stream_goes_on_in_a_few_round_trips() {
    let mut network = connected(&["one"], 10 * MS);
    network.bandwidth = Some(50_000_000);
    flood(&mut network, "one", 64 * MIB);
    for side in [0, 1, 0, 1] {
        network.run(50 * MS);
        network.cut(side, false);
        network.run(200 * MS);
        network.mend(side, false);
        let before = network.ends[1].bytes_received(&id("one"));
        network.run(100 * MS);
        let after = network.ends[1].bytes_received(&id("one"));
        assert!(after > before, "within five round trips, cut at end {side}");
    }
}

#[test]
fn streams_end_with_a_reason_and_what_was_unread_is_not_lost() {
    let mut network = connected(&["finished", "reset"], MS);
    network.ends[1].is_slow = true;
    for name in ["finished", "reset"] {
        network.ends[0].will_send(&id(name), [Bytes::from_static(b"last words")]);
    }
    network.run(100 * MS);
    let harness = &mut network.ends[0].connection;
    harness.finish(&id("finished")).expect("open");
    harness
        .reset(&id("reset"), Reason::new("enough").expect("a reason"))
        .expect("open");
    network.run(100 * MS);
    let closed = |why: &str| Ended::ByPeer(Reason::new(why).expect("a reason"));
    let executor = &network.ends[1];
    assert_eq!(executor.closed[&id("finished")], closed("closed"));
    assert_eq!(executor.closed[&id("reset")], closed("enough"));
    for name in ["finished", "reset"] {
        assert_eq!(
            executor.received[&id(name)].last(),
            Some(&Bytes::from_static(b"last words"))
        );
        assert_eq!(network.ends[0].closed[&id(name)], Ended::Here);
    }
    let now = network.now;
    let again = network.ends[0].connection.open(&id("reset"), now);
    assert_eq!(again, Err(StreamError::NameTaken(id("reset"))));
}
