//! A whole exchange with the reference of May 2026, byte by byte. The messages are of a recorded conversation of 0.133.0; the bytes around them were written by hand from
//! the field table (PROTOCOL 8.2), as its encoder makes them: one frame a message, numbers from 0, and what is zero is not there, so never an acknowledgement.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_relay::{Connection, Ended, Event, Frame, Reason, Role, StreamId};

const STREAM: &str = "5a8ab7b5-61d4-4ad1-97c6-62a7e8c4b5b1";

/// Version 1, and the stream: 36 bytes.
const HEAD: [u8; 4] = [0x08, 1, 0x12, 36];

const INITIALIZE: &str = r#"{"id":1,"method":"initialize","params":{"clientName":"codex-environment","resumeSessionId":null}}"#;
const WELCOME: &str = r#"{"id":1,"result":{"sessionId":"e8c515a0-a0af-4f02-936e-c97dc51a50a1"}}"#;
const INITIALIZED: &str = r#"{"method":"initialized","params":{}}"#;
const READ: &str = r#"{"id":47,"method":"process/read","params":{"processId":"34956","afterSeq":0,"maxBytes":null,"waitMs":0}}"#;
const OUTPUT: &str = r#"{"method":"process/output","params":{"processId":"34956","seq":1,"stream":"stdout","chunk":"bWFyaz04MGNkYTMzNzIxOWYK"}}"#;
const CHUNKS: &str = r#"{"id":47,"result":{"chunks":[{"seq":1,"stream":"stdout","chunk":"bWFyaz04MGNkYTMzNzIxOWYK"},{"seq":2,"stream":"stdout","chunk":"L3RtcC9wZWVyL2UyZS9ydW4tb2JocDQ3dnMvd29yawo="},{"seq":3,"stream":"stderr","chunk":"ZXJyCg=="}],"nextSeq":4,"exited":true,"exitCode":0,"closed":true,"failure":null}}"#;

/// Nothing received, as ours say it: ack (field 3) is the number before 0. A plain peer does not look at it.
const NOTHING: [u8; 6] = [0x18, 0xff, 0xff, 0xff, 0xff, 0x0f];

/// resume (field 7) from 0.
const RESUME: [u8; 2] = [0x3a, 0];

/// data (field 5) before its payload: length; seq (1) unless it is 0; segment_count (3), which is 1; and of the payload (4) its length.
const INITIALIZE_0: [u8; 6] = [0x2a, 101, 0x18, 1, 0x22, 97];
const WELCOME_0: [u8; 6] = [0x2a, 74, 0x18, 1, 0x22, 70];
const INITIALIZED_1: [u8; 8] = [0x2a, 42, 0x08, 1, 0x18, 1, 0x22, 36];
const READ_2: [u8; 8] = [0x2a, 110, 0x08, 2, 0x18, 1, 0x22, 104];
const OUTPUT_1: [u8; 8] = [0x2a, 125, 0x08, 1, 0x18, 1, 0x22, 119];
const CHUNKS_2: [u8; 10] = [0x2a, 0xab, 0x02, 0x08, 2, 0x18, 1, 0x22, 0xa4, 0x02];

/// reset (field 8), with a reason of six bytes.
const RESET: [u8; 4] = [0x42, 8, 0x0a, 6];

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    [&HEAD, STREAM.as_bytes(), &parts.concat()].concat()
}

fn id() -> StreamId {
    StreamId::new(STREAM).expect("a name")
}

/// One of ours, and the time.
struct Ours {
    connection: Connection,
    now: Instant,
}

impl Ours {
    fn new(role: Role) -> Ours {
        Ours {
            connection: Connection::new(role),
            now: Instant::now(),
        }
    }

    /// These bytes come, and with them this message.
    fn hears(&mut self, frame: &[&[u8]], message: &'static str) {
        let frame = bytes(&[frame.concat().as_slice(), message.as_bytes()]);
        let frame = Frame::decode(frame.into()).expect("a frame");
        self.connection.receive(frame, self.now);
        let read = self.connection.read(&id(), self.now).expect("open");
        assert_eq!(read, Some(Bytes::from(message)));
        assert_eq!(self.connection.read(&id(), self.now), Ok(None));
    }

    /// This message is sent in these bytes.
    #[track_caller]
    fn says(&mut self, frame: &[&[u8]], message: &'static str) {
        self.connection.send(&id(), message.into()).expect("room");
        let frame = bytes(&[frame.concat().as_slice(), message.as_bytes()]);
        assert_eq!(self.sent(), [frame]);
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.connection.poll_transmit(self.now))
            .map(|frame| frame.encode().to_vec())
            .collect()
    }

    /// However long nothing comes, nothing is said: neither an acknowledgement nor anything a second time.
    #[track_caller]
    fn is_quiet(&mut self) {
        assert_eq!(self.sent(), Vec::<Vec<u8>>::new());
        let until = self.now + Duration::from_secs(86_400);
        while let Some(at) = self.connection.deadline().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.connection.on_time(self.now);
            assert_eq!(self.sent(), Vec::<Vec<u8>>::new());
        }
        self.now = until;
    }

    /// What ends the stream.
    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event())
            .filter(|event| !matches!(event, Event::Readable(_) | Event::Writable(_)))
            .collect()
    }
}

#[test]
fn an_executor_and_a_harness_of_may_2026_exchange_these_bytes() {
    let mut ours = Ours::new(Role::Executor);
    let resume = Frame::decode(bytes(&[&RESUME]).into()).expect("a frame");
    ours.connection.receive(resume, ours.now);
    assert_eq!((ours.sent(), ours.events()), (vec![], vec![]));
    ours.hears(&[&INITIALIZE_0], INITIALIZE);
    assert_eq!(ours.events(), [Event::Opened(id())]);
    ours.is_quiet();
    ours.says(&[&WELCOME_0], WELCOME);
    ours.is_quiet();
    ours.hears(&[&INITIALIZED_1], INITIALIZED);
    ours.hears(&[&READ_2], READ);
    ours.is_quiet();
    ours.says(&[&OUTPUT_1], OUTPUT);
    ours.says(&[&CHUNKS_2], CHUNKS);
    ours.is_quiet();
    let reset = Frame::decode(bytes(&[&RESET, b"closed"]).into()).expect("a frame");
    ours.connection.receive(reset, ours.now);
    let closed = Event::Closed {
        stream: id(),
        why: Ended::ByPeer(Reason::new("closed").expect("a reason")),
        unread: vec![],
    };
    assert_eq!(ours.events(), [closed]);
    ours.is_quiet();
}

#[test]
fn a_harness_and_an_executor_of_may_2026_exchange_these_bytes() {
    let mut ours = Ours::new(Role::Harness);
    ours.connection.open(&id(), ours.now).expect("opened");
    assert_eq!(ours.sent(), [bytes(&[&NOTHING, &RESUME])]);
    ours.says(&[&NOTHING, &INITIALIZE_0], INITIALIZE);
    ours.hears(&[&WELCOME_0], WELCOME);
    ours.is_quiet();
    // From here on it is known to be plain.
    ours.says(&[&INITIALIZED_1], INITIALIZED);
    ours.says(&[&READ_2], READ);
    ours.is_quiet();
    ours.hears(&[&OUTPUT_1], OUTPUT);
    ours.hears(&[&CHUNKS_2], CHUNKS);
    ours.is_quiet();
    ours.connection.finish(&id()).expect("open");
    assert_eq!(ours.sent(), [bytes(&[&RESET, b"closed"])]);
    ours.is_quiet();
}
