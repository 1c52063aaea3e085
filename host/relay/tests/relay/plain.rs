//! Peers that do as little as the reference of May 2026: they acknowledge nothing, ignore every frame but data and resets, send a message in
//! one frame, and do twice what they get twice.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_relay::{
    Acks, Body, Connection, Ended, Event, Frame, Reason, Role, Segment, StreamError, StreamId,
    limits,
};

const MS: Duration = Duration::from_millis(1);

fn id() -> StreamId {
    StreamId::new("stream").expect("a name")
}

/// The peer: what it was given, and what it would send.
#[derive(Default)]
struct Plain {
    next: u32,
    /// Messages, as often as they came.
    done: Vec<Bytes>,
    handshakes: Vec<Bytes>,
    reset: Option<Reason>,
    /// Frames that it has no use for.
    ignored: Vec<Body>,
}

impl Plain {
    fn take(&mut self, frame: Frame) {
        match frame.body {
            Body::Data(segment) if segment.index() == 0 && segment.count() == 1 => {
                self.done.push(segment.into_payload());
            }
            Body::Data(segment) => panic!("{segment:?} is dropped, and its message lost"),
            Body::Handshake(payload) => self.handshakes.push(payload),
            Body::Reset(reason) => self.reset = Some(reason),
            other => self.ignored.push(other),
        }
    }

    fn frame(&self, body: Body) -> Frame {
        Frame {
            stream: id(),
            acks: Acks::PLAIN,
            body,
        }
    }

    fn says(&mut self, message: impl Into<Bytes>) -> Frame {
        let segment = Segment::new(self.next, 0, 1, message.into()).expect("a segment");
        self.next = self.next.wrapping_add(1);
        self.frame(Body::Data(segment))
    }
}

/// Everything that the connection wants to send at that time, by wire, with the acknowledgements that it carried.
fn drain(connection: &mut Connection, peer: &mut Plain, now: Instant) -> Vec<Acks> {
    let mut acks = Vec::new();
    while let Some(frame) = connection.poll_transmit(now) {
        let frame = Frame::decode(frame.encode()).expect("a frame");
        acks.push(frame.acks);
        peer.take(frame);
    }
    acks
}

/// Lets so much time pass, with everything that it brings about.
fn pass(connection: &mut Connection, peer: &mut Plain, now: &mut Instant, time: Duration) {
    let until = *now + time;
    while let Some(at) = connection.deadline().filter(|at| *at <= until) {
        *now = at.max(*now);
        connection.on_time(*now);
        drain(connection, peer, *now);
    }
    *now = until;
}

fn events(connection: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}

fn harness(now: Instant) -> Connection {
    let mut connection = Connection::new(Role::Harness);
    connection.open(&id(), now).expect("opened");
    connection
}

#[test]
fn a_plain_executor_gets_every_message_once_whole_and_in_order() {
    let mut now = Instant::now();
    let (mut connection, mut peer) = (harness(now), Plain::default());
    let messages: Vec<Bytes> = [3, 200_000, 1, 3_000_000, 40_000]
        .iter()
        .map(|bytes| vec![b'm'; *bytes].into())
        .collect();
    for message in &messages[..2] {
        connection.send(&id(), message.clone()).expect("room");
    }
    // Unheard as it is, it may be plain: nothing is cut, and nothing sent twice however long it takes.
    drain(&mut connection, &mut peer, now);
    assert_eq!(
        peer.ignored[0],
        Body::Resume { next_seq: 0 },
        "the resume is first"
    );
    pass(&mut connection, &mut peer, &mut now, 600_000 * MS);
    assert_eq!(peer.done, messages[..2]);
    let answer = peer.says("answer");
    connection.receive(answer, now);
    for message in &messages[2..] {
        connection.send(&id(), message.clone()).expect("room");
    }
    peer.ignored.clear();
    let acks = drain(&mut connection, &mut peer, now);
    assert!(acks.iter().all(|acks| *acks == Acks::PLAIN), "{acks:?}");
    pass(&mut connection, &mut peer, &mut now, 86_400_000 * MS);
    assert_eq!(peer.done, messages);
    assert_eq!(
        peer.ignored,
        [],
        "it is told nothing that it does not understand"
    );
    assert_eq!(connection.read(&id(), now), Ok(Some("answer".into())));
    assert_eq!(
        events(&mut connection),
        [Event::Readable(id())],
        "it is not taken for gone"
    );
    connection.finish(&id()).expect("open");
    drain(&mut connection, &mut peer, now);
    assert_eq!(peer.reset.as_ref().map(Reason::as_str), Some("closed"));
}

#[test]
fn a_plain_harness_opens_with_its_first_message_and_hears_only_messages() {
    let mut now = Instant::now();
    let (mut connection, mut peer) = (Connection::new(Role::Executor), Plain::default());
    connection.receive(peer.frame(Body::Resume { next_seq: 0 }), now);
    assert_eq!(
        connection.poll_transmit(now),
        None,
        "a resume is not answered"
    );
    assert_eq!(events(&mut connection), []);
    let large = Bytes::from(vec![b'l'; 1_000_000]);
    for message in [Bytes::from("call"), large.clone()] {
        let frame = peer.says(message);
        connection.receive(frame, now);
    }
    assert_eq!(
        events(&mut connection),
        [Event::Opened(id()), Event::Readable(id())]
    );
    for message in [Bytes::from("call"), large.clone()] {
        assert_eq!(connection.read(&id(), now), Ok(Some(message)));
    }
    for message in [large.clone(), Bytes::from("answer")] {
        connection.send(&id(), message).expect("room");
    }
    let acks = drain(&mut connection, &mut peer, now);
    assert_eq!(acks, [Acks::PLAIN; 2]);
    pass(&mut connection, &mut peer, &mut now, 86_400_000 * MS);
    assert_eq!(peer.done, [large, Bytes::from("answer")]);
    assert_eq!(peer.ignored, []);
    connection.receive(
        peer.frame(Body::Reset(Reason::new("bye").expect("a reason"))),
        now,
    );
    let closed = Event::Closed {
        stream: id(),
        why: Ended::ByPeer(Reason::new("bye").expect("a reason")),
        unread: vec![],
    };
    assert_eq!(events(&mut connection), [closed]);
}

#[test]
fn what_is_doubled_on_the_way_from_a_plain_peer_is_taken_once_also_where_it_wraps() {
    let now = Instant::now();
    let mut connection = Connection::new(Role::Executor);
    let mut peer = Plain {
        next: u32::MAX - 2,
        ..Plain::default()
    };
    let messages: Vec<Bytes> = (0..6)
        .map(|number| format!("message {number}").into())
        .collect();
    for message in &messages {
        let frame = peer.says(message.clone());
        connection.receive(frame.clone(), now);
        connection.receive(frame, now);
    }
    let read: Vec<_> = std::iter::from_fn(|| connection.read(&id(), now).expect("open")).collect();
    assert_eq!(read, messages);
}

#[test]
fn a_plain_peers_streams_end_with_their_connection_and_others_wait() {
    let now = Instant::now();
    let (mut connection, mut peer) = (harness(now), Plain::default());
    drain(&mut connection, &mut peer, now);
    let answer = peer.says("answer");
    connection.receive(answer, now);
    let other = StreamId::new("unheard").expect("a name");
    connection.open(&other, now).expect("opened");
    connection.link_lost(now);
    let closed = Event::Closed {
        stream: id(),
        why: Ended::LinkLost,
        unread: vec!["answer".into()],
    };
    assert_eq!(events(&mut connection), [Event::Readable(id()), closed]);
    // The other may be of a peer that resumes. If it turns out to be plain, what was sent before may be lost.
    connection.send(&other, "call".into()).expect("room");
    connection.link_up(now);
    let mut bodies: Vec<_> = std::iter::from_fn(|| connection.poll_transmit(now))
        .map(|frame| frame.body)
        .collect();
    assert_eq!(bodies.pop(), Some(Body::Resume { next_seq: 0 }));
    // Whom the end of its stream was not told before is told it now.
    let [Body::Reset(_)] = &bodies[..] else {
        panic!("{bodies:?}");
    };
    let mut frame = peer.says("answer");
    frame.stream = other.clone();
    connection.receive(frame, now);
    let Some(Event::Closed { stream, why, .. }) = connection.poll_event() else {
        panic!("not closed");
    };
    assert_eq!((stream, why), (other, Ended::LinkLost));
}

#[test]
fn a_plain_peer_that_sends_faster_than_is_read_holds_up_its_connection() {
    let now = Instant::now();
    let (mut connection, mut peer) = (Connection::new(Role::Executor), Plain::default());
    let mut sent = 0;
    while connection.wants_frames() {
        let frame = peer.says(vec![0; 1 << 20]);
        connection.receive(frame, now);
        sent += 1;
        assert!(sent < 10, "{sent} MiB are unread");
    }
    assert!(matches!(connection.read(&id(), now), Ok(Some(_))));
    assert!(connection.wants_frames(), "after reading it goes on");
}

#[test]
fn a_plain_executor_gets_a_handshake_once_and_its_answer_ends_no_wait() {
    let mut now = Instant::now();
    let (mut connection, mut peer) = (harness(now), Plain::default());
    connection
        .send_handshake(&id(), "message 1".into())
        .expect("the first");
    drain(&mut connection, &mut peer, now);
    assert_eq!(
        peer.ignored,
        [Body::Resume { next_seq: 0 }],
        "before the handshake"
    );
    // It asks its registry, for longer than it may.
    pass(&mut connection, &mut peer, &mut now, 30_000 * MS);
    connection.receive(peer.frame(Body::Handshake("message 2".into())), now);
    let handshake = Event::Handshake {
        stream: id(),
        payload: "message 2".into(),
    };
    assert_eq!(events(&mut connection), [handshake]);
    connection.send(&id(), "record".into()).expect("room");
    drain(&mut connection, &mut peer, now);
    pass(&mut connection, &mut peer, &mut now, 86_400_000 * MS);
    assert_eq!(
        (peer.handshakes, peer.done),
        (vec!["message 1".into()], vec!["record".into()])
    );
    let again = connection.send_handshake(&id(), "message 1".into());
    assert_eq!(again, Err(StreamError::HandshakeLate(id())));
}

#[test]
fn a_plain_harness_gets_the_answer_to_its_handshake_once() {
    let mut now = Instant::now();
    let (mut connection, mut peer) = (Connection::new(Role::Executor), Plain::default());
    connection.receive(peer.frame(Body::Resume { next_seq: 0 }), now);
    connection.receive(peer.frame(Body::Handshake("message 1".into())), now);
    let handshake = Event::Handshake {
        stream: id(),
        payload: "message 1".into(),
    };
    assert_eq!(events(&mut connection), [Event::Opened(id()), handshake]);
    connection
        .send_handshake(&id(), "message 2".into())
        .expect("the first");
    let acks = drain(&mut connection, &mut peer, now);
    assert_eq!(acks, [Acks::PLAIN]);
    pass(&mut connection, &mut peer, &mut now, limits::OPENING - MS);
    assert_eq!(peer.handshakes, ["message 2"]);
    // Its records are numbered from 0, and a doubled one is taken once: the cipher would end at the second.
    let record = peer.says("record");
    for _ in 0..2 {
        connection.receive(record.clone(), now);
    }
    assert_eq!(connection.read(&id(), now), Ok(Some("record".into())));
    assert_eq!(connection.read(&id(), now), Ok(None));
    pass(&mut connection, &mut peer, &mut now, 86_400_000 * MS);
    assert_eq!((peer.handshakes.len(), peer.ignored), (1, vec![]));
}
