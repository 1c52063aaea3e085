//! What a connection has on its way, what it holds unread, and how long it waits: all by its limits and by what it has measured.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_relay::{Acks, Body, Connection, Frame, Role, Segment, StreamId, limits};

use crate::end::End;
use crate::network::Network;

const MS: Duration = Duration::from_millis(1);
const MIB: usize = 1 << 20;

fn id(name: &str) -> StreamId {
    StreamId::new(name).expect("a name")
}

/// An executor's word that it has everything up to this number.
fn acknowledged(number: u32) -> Frame {
    Frame {
        stream: id("one"),
        // Nothing in a row but, by its bit, the next: what has just this number, and none that a plain peer might have said.
        acks: Acks {
            ack: number.wrapping_sub(1),
            bits: 1,
        },
        body: Body::Ack,
    }
}

/// Numbers of the segments that may be sent now.
fn sent(connection: &mut Connection, now: Instant) -> Vec<u32> {
    let frames = std::iter::from_fn(|| connection.poll_transmit(now));
    let segments = frames.filter_map(|frame| match frame.body {
        Body::Data(segment) => Some(segment.seq()),
        _ => None,
    });
    segments.collect()
}

#[test]
fn the_deadline_for_sending_again_is_what_the_measured_round_trips_say() {
    // The first of RFC 6298 takes half of itself as its variation, the second is smoothed: 100 + 4 * 50 and 100 + 4 * 37.5. A fast link has the shortest.
    for (way, measured, timeout) in [
        (100 * MS, 1, 300 * MS),
        (100 * MS, 2, 250 * MS),
        (MS, 1, limits::TIMEOUT_LEAST),
    ] {
        let mut now = Instant::now();
        let mut harness = Connection::new(Role::Harness);
        harness.open(&id("one"), now).expect("opened");
        for number in 0..measured {
            harness.send(&id("one"), "there".into()).expect("room");
            assert_eq!(sent(&mut harness, now), [number]);
            now += way;
            harness.receive(acknowledged(number), now);
        }
        // Nothing is on its way: what is waited for is a sign of life.
        assert_eq!(harness.deadline(), Some(now + limits::HEARTBEAT));
        harness.send(&id("one"), "lost".into()).expect("room");
        assert_eq!(sent(&mut harness, now), [measured]);
        assert_eq!(harness.deadline(), Some(now + timeout), "after {way:?}");
        let almost = now + timeout - MS;
        harness.on_time(almost);
        assert!(sent(&mut harness, almost).is_empty());
        now += timeout;
        harness.on_time(now);
        assert_eq!(sent(&mut harness, now), [measured]);
        assert_eq!(harness.deadline(), Some(now + 2 * timeout), "twice as long");
    }
}

/// A harness and an executor that have said hello to each other on these streams.
fn connected(names: &[String]) -> Network {
    let mut network = Network::new([End::of(Role::Harness), End::of(Role::Executor)], 1);
    network.delay = MS;
    for name in names {
        let opened = network.ends[0].connection.open(&id(name), network.now);
        opened.expect("opened");
        for end in &mut network.ends {
            end.will_send(&id(name), [Bytes::from_static(b"hello")]);
        }
    }
    network.run(Duration::from_secs(2));
    network
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("stream-{number}"))
        .collect()
}

#[test]
fn streams_together_have_no_more_on_its_way_than_the_connections_window() {
    let names = names(12);
    let mut network = connected(&names);
    let message = Bytes::from(vec![7; MIB]);
    let harness = &mut network.ends[0];
    for name in &names[1..] {
        harness.will_send(&id(name), std::iter::repeat_n(message.clone(), 8));
    }
    // Nothing comes back meanwhile.
    let now = network.now;
    let mut on_its_way = 0;
    let mut frames = Vec::new();
    loop {
        harness.work(now);
        let before = frames.len();
        frames.extend(std::iter::from_fn(|| harness.connection.poll_transmit(now)));
        if frames.len() == before {
            break;
        }
    }
    for frame in &frames {
        if let Body::Data(segment) = &frame.body {
            on_its_way += segment.payload().len();
        }
    }
    // Each alone would have its own window: eleven of them are more than the connection's.
    const { assert!(11 * limits::WINDOW_BYTES > limits::CONNECTION_WINDOW_BYTES + MIB) };
    let most = limits::CONNECTION_WINDOW_BYTES + limits::SEGMENT_BYTES;
    let least = limits::CONNECTION_WINDOW_BYTES - limits::SEGMENT_BYTES;
    assert!((least..=most).contains(&on_its_way), "{on_its_way} bytes");
    // One that has nothing on its way may have a segment all the same, and no more.
    harness.will_send(&id(&names[0]), [message]);
    harness.work(now);
    let more: Vec<_> = std::iter::from_fn(|| harness.connection.poll_transmit(now)).collect();
    assert!(
        matches!(&more[..], [Frame { stream, body: Body::Data(_), .. }] if *stream == id(&names[0]))
    );
    // What is acknowledged makes room for the rest.
    frames.extend(more);
    for frame in frames {
        network.ends[1].connection.receive(frame, now);
    }
    network.run_until(Duration::from_secs(60), |network| {
        let came = |name: &String| network.ends[1].bytes_received(&id(name));
        names[1..].iter().all(|name| came(name) == 8 * MIB + 5) && came(&names[0]) == MIB + 5
    });
}

#[test]
fn a_stream_that_nobody_reads_holds_what_may_be_unread_and_one_window() {
    let names = names(1);
    let mut network = connected(&names);
    network.ends[1].is_slow = true;
    let message = Bytes::from(vec![7; MIB]);
    network.ends[0].will_send(&id(&names[0]), std::iter::repeat_n(message, 32));
    network.run(Duration::from_secs(60));
    let held = network.ends[1].connection.held();
    let most = limits::UNREAD_BYTES + limits::WINDOW_BYTES + MIB;
    assert!(
        (limits::UNREAD_BYTES..=most).contains(&held),
        "{held} bytes"
    );
}

#[test]
fn of_streams_that_nobody_reads_no_more_is_acknowledged_than_a_connection_may_have_unread() {
    const STREAMS: usize = 20;
    // Each keeps below what it alone may have unread.
    const SEGMENTS: u32 = 90;
    let now = Instant::now();
    let mut executor = Connection::new(Role::Executor);
    executor.link_up(now);
    let names = names(STREAMS);
    let payload = Bytes::from(vec![7; limits::SEGMENT_BYTES]);
    let nothing = Acks {
        ack: u32::MAX,
        bits: 0,
    };
    let says = |name: &String, body: Body| Frame {
        stream: id(name),
        acks: nothing,
        body,
    };
    for number in 0..SEGMENTS {
        for name in &names {
            let segment = Segment::new(number, 0, 1, payload.clone()).expect("a segment");
            executor.receive(says(name, Body::Data(segment)), now);
        }
    }
    // How many segments of each it says that it has.
    let acknowledged = |executor: &mut Connection| {
        for name in &names {
            executor.receive(says(name, Body::Heartbeat), now);
        }
        let mut counts = vec![0; STREAMS];
        while let Some(frame) = executor.poll_transmit(now) {
            let place = names.iter().position(|name| id(name) == frame.stream);
            counts[place.expect("one of them")] = frame.acks.ack.wrapping_add(1);
        }
        counts
    };
    let counts = acknowledged(&mut executor);
    let bytes = counts.iter().sum::<u32>() as usize * limits::SEGMENT_BYTES;
    let cost = bytes + counts.iter().sum::<u32>() as usize * limits::ENTRY_BYTES;
    let most = limits::CONNECTION_UNREAD_BYTES + limits::SEGMENT_BYTES + limits::ENTRY_BYTES;
    let least = limits::CONNECTION_UNREAD_BYTES - limits::SEGMENT_BYTES;
    assert!((least..=most).contains(&cost), "{cost} bytes: {counts:?}");
    assert!(
        executor.held() > most,
        "the rest is held, and not acknowledged"
    );
    // One that is read goes on, while the others wait.
    while executor.read(&id(&names[3]), now).expect("open").is_some() {}
    let after = acknowledged(&mut executor);
    assert!(
        counts[3] < SEGMENTS && after[3] == SEGMENTS,
        "{counts:?} {after:?}"
    );
    assert_eq!((&after[..3], &after[4..]), (&counts[..3], &counts[4..]));
}
