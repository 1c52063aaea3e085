//! Peers that mean harm, against one connection: frames that nobody sends who keeps the contract.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_relay::{
    Acks, Body, Connection, Ended, Event, Frame, Reason, Role, Segment, StreamId, Violation, limits,
};

/// What somebody acknowledges who keeps the contract and has received nothing.
const NOTHING: Acks = Acks {
    ack: u32::MAX,
    bits: 0,
};

fn id(name: &str) -> StreamId {
    StreamId::new(name).expect("a name")
}

fn frame(name: &str, acks: Acks, body: Body) -> Frame {
    Frame {
        stream: id(name),
        acks,
        body,
    }
}

fn data(name: &str, seq: u32, index: u32, count: u32, payload: impl Into<Bytes>) -> Frame {
    let segment = Segment::new(seq, index, count, payload.into()).expect("a segment");
    frame(name, NOTHING, Body::Data(segment))
}

fn handshake(name: &str, payload: &'static str) -> Frame {
    frame(name, NOTHING, Body::Handshake(payload.into()))
}

/// An executor that was given these frames.
fn executor(frames: impl IntoIterator<Item = Frame>) -> (Connection, Instant) {
    let (mut connection, now) = (Connection::new(Role::Executor), Instant::now());
    frames
        .into_iter()
        .for_each(|frame| connection.receive(frame, now));
    (connection, now)
}

fn events(connection: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}

/// Why streams ended, in order.
fn ends(connection: &mut Connection) -> Vec<Ended> {
    let events = events(connection).into_iter();
    events
        .filter_map(|event| match event {
            Event::Closed { why, .. } => Some(why),
            _ => None,
        })
        .collect()
}

/// The reasons of the resets that the connection wants to send now.
fn resets(connection: &mut Connection, now: Instant) -> Vec<String> {
    let frames = std::iter::from_fn(|| connection.poll_transmit(now));
    frames
        .filter_map(|frame| match frame.body {
            Body::Reset(reason) => Some(reason.as_str().to_owned()),
            _ => None,
        })
        .collect()
}

fn read_all(connection: &mut Connection, name: &str, now: Instant) -> Vec<Bytes> {
    std::iter::from_fn(|| connection.read(&id(name), now).expect("open")).collect()
}

#[test]
fn attack_33_numbers_end_before_they_wrap() {
    // A sender stops before the last number, and says so when everything has arrived.
    let now = Instant::now();
    let first = u32::MAX - 3;
    let mut harness = Connection::counting_from(Role::Harness, first);
    harness.open(&id("s"), now).expect("opened");
    for _ in 0..5 {
        harness.send(&id("s"), "x".into()).expect("room");
    }
    let sent: Vec<_> = std::iter::from_fn(|| harness.poll_transmit(now))
        .filter_map(|frame| match frame.body {
            Body::Data(segment) => Some(segment.seq()),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [first, first + 1, first + 2]);
    let all = Acks {
        ack: first + 2,
        bits: 0,
    };
    harness.receive(frame("s", all, Body::Ack), now);
    assert_eq!(ends(&mut harness), [Ended::Exhausted]);

    // A peer that goes on to the last number, or jumps there as a plain one and then counts, gets nowhere.
    let mut counting = Connection::counting_from(Role::Executor, first);
    let segment = |seq| Segment::new(seq, 0, 1, "x".into()).expect("a segment");
    let nothing = Acks {
        ack: first - 1,
        bits: 0,
    };
    counting.receive(frame("s", NOTHING, Body::Data(segment(first))), now);
    for seq in [first + 1, first + 2, u32::MAX] {
        counting.receive(frame("s", nothing, Body::Data(segment(seq))), now);
    }
    assert_eq!(
        ends(&mut counting),
        [Ended::Violation(Violation::LastNumber)]
    );
    let (mut jumping, now) = executor([
        frame("s", Acks::PLAIN, Body::Data(segment(u32::MAX - 1))),
        data("s", u32::MAX, 0, 1, "x"),
    ]);
    assert_eq!(read_all_or_none(&mut jumping, now), 0);
    assert_eq!(
        ends(&mut jumping),
        [Ended::Violation(Violation::LastNumber)]
    );
}

/// How many messages are to be read, of a stream that may be over.
fn read_all_or_none(connection: &mut Connection, now: Instant) -> usize {
    std::iter::from_fn(|| connection.read(&id("s"), now).ok().flatten()).count()
}

#[test]
fn attack_33_what_comes_twice_is_taken_once() {
    let mut frames = Vec::new();
    for seq in [1, 0, 1, 0, 3, 3, 2, 2, 0] {
        frames.push(data("s", seq, 0, 1, format!("message {seq}")));
    }
    let (mut connection, now) = executor(frames);
    let messages = ["message 0", "message 1", "message 2", "message 3"];
    assert_eq!(read_all(&mut connection, "s", now), messages);
}

#[test]
fn attack_33_what_lies_beyond_the_window_is_not_kept() {
    let (mut connection, now) = executor([data("s", 1, 0, 1, "early")]);
    for ahead in (0..4_000_000_000u32).step_by(1 << 20).skip(1) {
        connection.receive(data("s", ahead, 0, 1, vec![0; 1_000]), now);
    }
    assert!(connection.held() < 1_000, "{} bytes", connection.held());
    for seq in 0..2 * limits::WINDOW_SEGMENTS {
        connection.receive(data("s", seq + 1, 0, 1, "x"), now);
    }
    let most = limits::WINDOW_SEGMENTS as usize * (limits::ENTRY_BYTES + 16);
    assert!(connection.held() < most, "{} bytes", connection.held());
    assert_eq!(events(&mut connection), [Event::Opened(id("s"))]);
    // The one that was missing brings what was kept, and no more.
    connection.receive(data("s", 0, 0, 1, "x"), now);
    let read = read_all(&mut connection, "s", now).len();
    assert_eq!(read, limits::WINDOW_SEGMENTS as usize);
}

#[test]
fn attack_33_acknowledgements_of_what_was_not_sent_end_the_stream_and_no_other() {
    let acks = |ack, bits| Acks { ack, bits };
    let unsent = |ack| Ended::Violation(Violation::AckOfUnsent { ack, next: 2 });
    for (acks, why) in [
        (acks(2, 0), unsent(2)),
        (acks(u32::MAX - 1, 0), unsent(u32::MAX - 1)),
        (acks(0, 1 << 1), unsent(2)),
        (acks(1, 1 << 31), unsent(33)),
    ] {
        let (mut connection, now) =
            executor([data("s", 0, 0, 1, "x"), data("other", 0, 0, 1, "x")]);
        for _ in 0..2 {
            connection.send(&id("s"), "answer".into()).expect("room");
        }
        while connection.poll_transmit(now).is_some() {}
        connection.receive(frame("s", acks, Body::Heartbeat), now);
        assert_eq!(ends(&mut connection), [why]);
        assert_eq!(resets(&mut connection, now).len(), 1);
        assert_eq!(read_all(&mut connection, "other", now), ["x"]);
    }
}

#[test]
fn attack_33_a_name_that_was_used_opens_nothing_again() {
    let (mut connection, now) = executor([data("s", 0, 0, 1, "x")]);
    let closed = Reason::new("done").expect("a reason");
    connection.reset(&id("s"), closed).expect("open");
    events(&mut connection);
    assert_eq!(resets(&mut connection, now), ["done"]);
    let again = [
        data("s", 0, 0, 1, "x"),
        handshake("s", "replayed"),
        frame("s", NOTHING, Body::Resume { next_seq: 0 }),
        frame("s", Acks::PLAIN, data("s", 5, 0, 1, "x").body),
    ];
    for frame in again {
        connection.receive(frame, now);
        assert_eq!(events(&mut connection), []);
        assert_eq!(resets(&mut connection, now), ["the stream is over"]);
    }
}

#[test]
fn attack_33_streams_that_are_only_begun_keep_places_for_a_moment_only() {
    // The first segment of two, a handshake, or a segment with a gap before it: none of them is a message.
    let begin = |number: usize| {
        let name = format!("stream-{number}");
        match number % 3 {
            0 => data(&name, 0, 0, 2, vec![0; 30_000]),
            1 => handshake(&name, "message 1"),
            _ => data(&name, 7, 0, 1, "x"),
        }
    };
    let (mut connection, mut now) = executor((0..10_000).map(begin));
    let opened = events(&mut connection)
        .iter()
        .filter(|event| matches!(event, Event::Opened(_)))
        .count();
    assert_eq!(opened, limits::STREAMS);
    let told = resets(&mut connection, now);
    assert_eq!(told.len(), limits::REPLIES, "more are not even told");
    assert!(told.iter().all(|why| why == "too many streams"));
    assert!(connection.held() < limits::STREAMS * 33_000);

    now += limits::OPENING;
    connection.on_time(now);
    assert_eq!(
        ends(&mut connection),
        vec![Ended::NothingCame; limits::STREAMS]
    );
    assert_eq!(connection.held(), 0);
    connection.receive(data("honest", 0, 0, 1, "x"), now);
    assert_eq!(read_all(&mut connection, "honest", now), ["x"]);
}

#[test]
fn attack_33_a_resume_of_what_is_not_there_ends_in_a_reset() {
    // Of a session that this executor does not have, whatever of it is claimed to have come.
    for (acks, next_seq) in [
        (NOTHING, 5),
        (Acks { ack: 4, bits: 0 }, 5),
        (Acks { ack: 4, bits: 0 }, 0),
    ] {
        let (mut connection, now) = executor([frame("s", acks, Body::Resume { next_seq })]);
        assert_eq!(events(&mut connection), []);
        assert_eq!(resets(&mut connection, now), ["no such stream"]);
    }
    // Of one that it has, past its end; and what belongs to one stream is not sent on another.
    let (mut connection, now) = executor([data("s", 0, 0, 1, "x"), data("other", 0, 0, 1, "x")]);
    connection.send(&id("s"), "secret".into()).expect("room");
    while connection.poll_transmit(now).is_some() {}
    connection.receive(frame("other", NOTHING, Body::Resume { next_seq: 0 }), now);
    let data = std::iter::from_fn(|| connection.poll_transmit(now));
    assert!(
        !data
            .into_iter()
            .any(|frame| matches!(frame.body, Body::Data(_)))
    );
    connection.receive(frame("other", NOTHING, Body::Resume { next_seq: 1 }), now);
    let why = Violation::ResumeOfUnsent {
        next_seq: 1,
        next: 0,
    };
    assert_eq!(ends(&mut connection), [Ended::Violation(why)]);
}

#[test]
fn attack_33_a_handshake_is_taken_once_and_another_one_ends_the_stream() {
    let (mut connection, now) = executor([handshake("s", "message 1")]);
    let came = Event::Handshake {
        stream: id("s"),
        payload: "message 1".into(),
    };
    assert_eq!(events(&mut connection), [Event::Opened(id("s")), came]);
    for _ in 0..1_000 {
        connection.receive(handshake("s", "message 1"), now);
    }
    assert_eq!(
        events(&mut connection),
        [],
        "the same one again is passed over"
    );
    connection.receive(handshake("s", "another"), now);
    let second = [Ended::Violation(Violation::SecondHandshake)];
    assert_eq!(ends(&mut connection), second);
    assert_eq!(
        resets(&mut connection, now),
        ["secure_relay_protocol_error"]
    );

    // A stream that began without one does not get one.
    let (mut connection, now) = executor([data("s", 0, 0, 1, "{}"), handshake("s", "message 1")]);
    assert_eq!(ends(&mut connection), second);
    assert_eq!(
        resets(&mut connection, now),
        ["secure_relay_protocol_error"]
    );

    // Nor does one that a harness opened without.
    let mut harness = Connection::new(Role::Harness);
    harness.open(&id("s"), now).expect("opened");
    harness.receive(handshake("s", "message 2"), now);
    assert_eq!(ends(&mut harness), second);
    harness.receive(handshake("never opened", "message 2"), now);
    assert_eq!(events(&mut harness), []);
}

#[test]
fn attack_33_a_flood_of_handshakes_leaves_the_streams_that_are_there() {
    let (mut connection, mut now) = executor([data("honest", 0, 0, 1, "x")]);
    events(&mut connection);
    let mut names = BTreeSet::new();
    for round in 0..20 {
        for number in 0..1_000 {
            let name = format!("flood-{round}-{number}");
            let payload = Bytes::from(vec![0; limits::HANDSHAKE_BYTES]);
            connection.receive(frame(&name, NOTHING, Body::Handshake(payload)), now);
        }
        let opened = events(&mut connection)
            .into_iter()
            .filter_map(|event| match event {
                Event::Handshake { stream, .. } => Some(stream),
                _ => None,
            });
        names.extend(opened);
        while connection.poll_transmit(now).is_some() {}
        connection.receive(frame("honest", NOTHING, Body::Heartbeat), now);
        now += limits::OPENING / 2;
        connection.on_time(now);
    }
    // Places come free only with time, two rounds after they were taken.
    assert!(names.len() <= limits::STREAMS * 10, "{}", names.len());
    assert_eq!(read_all(&mut connection, "honest", now), ["x"]);
    connection
        .send(&id("honest"), "answer".into())
        .expect("room");
    let sent = std::iter::from_fn(|| connection.poll_transmit(now));
    let answers =
        sent.filter(|frame| frame.stream == id("honest") && matches!(frame.body, Body::Data(_)));
    assert_eq!(answers.count(), 1);
}

#[test]
fn attack_33_resumes_without_end_have_little_sent_again() {
    let (mut connection, mut now) = executor([data("s", 0, 0, 1, "x")]);
    let message = vec![0; 1 << 20];
    connection.send(&id("s"), message.into()).expect("room");
    while connection.poll_transmit(now).is_some() {}
    let mut again = 0;
    for _ in 0..1_000 {
        now += Duration::from_millis(1);
        connection.receive(frame("s", NOTHING, Body::Resume { next_seq: 0 }), now);
        while let Some(frame) = connection.poll_transmit(now) {
            again += usize::from(matches!(frame.body, Body::Data(_)));
        }
    }
    // A second of them: ten are obeyed, and each has the window of 1 MiB sent again.
    let most = 11 * (1 << 20) / limits::SEGMENT_BYTES;
    assert!(again <= most, "{again} segments");
}
