//! Frames: whatever bytes come, what is read as a frame is one; and frames that nobody sends who keeps the contract, in any order,
//! make a connection neither panic, nor hold more than it may, nor answer without end.
#![no_main]

use std::time::{Duration, Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lockgate_relay::{Body, Connection, Event, Frame, Role, StreamId, limits};

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut now = Instant::now();
    let mut executor = Connection::new(Role::Executor);
    let mut harness = Connection::new(Role::Harness);
    for name in ["a", "b"] {
        let id = StreamId::new(name).expect("a name");
        harness.open(&id, now).expect("opened");
        harness
            .send_handshake(&id, "message 1".into())
            .expect("the first");
    }
    // Each frame has two bytes before it: what else happens, and its length.
    let mut rest = bytes;
    while let [what, length, after @ ..] = rest {
        let (frame, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let connection = if what & 1 == 0 {
            &mut executor
        } else {
            &mut harness
        };
        now += Duration::from_millis([0, 3, 150, 40_000][usize::from(what >> 1 & 3)]);
        match what >> 3 & 7 {
            1 => connection.link_lost(now),
            2 => connection.link_up(now),
            _ => {}
        }
        if connection.deadline().is_some_and(|at| at <= now) {
            connection.on_time(now);
        }
        if let Some(frame) = read(frame) {
            let id = frame.stream.clone();
            connection.receive(frame, now);
            if what >> 6 & 1 == 1 {
                // An application that answers and reads; what it may not do it is told.
                let _ = connection.send(&id, vec![*what; usize::from(*length) * 300].into());
                let _ = connection.send_handshake(&id, "message 2".into());
                let _ = connection.read(&id, now);
            }
        }
        look(connection, now);
    }
});

fn read(bytes: &[u8]) -> Option<Frame> {
    let frame = Frame::decode(Bytes::copy_from_slice(bytes)).ok()?;
    let name = frame.stream.as_str();
    assert!(!name.is_empty() && name.len() <= limits::STREAM_ID_BYTES && name.trim() == name);
    match &frame.body {
        Body::Data(segment) => {
            assert!(segment.index() < segment.count() && segment.index() <= segment.seq());
            assert!(segment.start().checked_add(segment.count() - 1).is_some());
            assert!(!segment.payload().is_empty());
        }
        Body::Handshake(payload) => {
            assert!((1..=limits::HANDSHAKE_BYTES).contains(&payload.len()));
        }
        Body::Reset(reason) => {
            assert!((1..=limits::REASON_BYTES).contains(&reason.as_str().len()));
        }
        Body::Ack | Body::Resume { .. } | Body::Heartbeat => {}
    }
    assert_eq!(Frame::decode(frame.encode()).as_ref(), Ok(&frame));
    Some(frame)
}

/// What must hold of a connection whatever it was given.
fn look(connection: &mut Connection, now: Instant) {
    assert!(connection.held() <= limits::CONNECTION_HELD_BYTES);
    let mut open = 0_usize;
    while let Some(event) = connection.poll_event() {
        match event {
            Event::Opened(_) => open += 1,
            Event::Closed { stream, .. } => assert!(connection.read(&stream, now).is_err()),
            _ => {}
        }
    }
    assert!(open <= limits::STREAMS);
    // A window for each stream, and what is not data.
    let most = limits::STREAMS * (limits::WINDOW_SEGMENTS as usize + 8);
    let mut sent = 0;
    while let Some(frame) = connection.poll_transmit(now) {
        assert_eq!(
            Frame::decode(frame.encode()).as_ref(),
            Ok(&frame),
            "we send only frames"
        );
        sent += 1;
        assert!(sent <= most, "it sends without end");
    }
    assert!(
        connection.deadline().is_none_or(|at| at > now),
        "what was due is done"
    );
}
