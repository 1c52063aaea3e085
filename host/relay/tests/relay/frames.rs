//! Frames on the wire: golden bytes of every kind, written by hand from the field table (PROTOCOL 8.2), and what is no frame.

use bytes::Bytes;
use lockgate_relay::{Acks, Body, Frame, FrameError, Reason, Segment, StreamId, limits};

fn frame(ack: u32, bits: u32, body: Body) -> Frame {
    Frame {
        stream: StreamId::new("s1").expect("a name"),
        acks: Acks { ack, bits },
        body,
    }
}

fn decode(bytes: impl Into<Bytes>) -> Result<Frame, FrameError> {
    Frame::decode(bytes.into())
}

/// Version 1 (field 1, varint) and the stream "s1" (field 2, two bytes).
const HEAD: [u8; 6] = [0x08, 1, 0x12, 2, b's', b'1'];

fn with_head(rest: &[u8]) -> Vec<u8> {
    [&HEAD[..], rest].concat()
}

#[track_caller]
fn golden(frame: &Frame, rest: &[u8]) {
    let bytes = with_head(rest);
    assert_eq!(frame.encode(), bytes);
    assert_eq!(&decode(bytes).expect("a frame"), frame);
}

#[test]
fn a_data_frame_has_these_bytes() {
    let payload = Bytes::from_static(b"{}");
    let segment = Segment::new(300, 2, 3, payload.clone()).expect("a segment");
    // ack 299 (field 3) and ack_bits 5 (field 4), then field 5, 11 bytes: seq 300, index 2, count 3, payload.
    golden(
        &frame(299, 5, Body::Data(segment)),
        &[
            0x18, 0xab, 0x02, 0x20, 5, 0x2a, 11, 0x08, 0xac, 0x02, 0x10, 2, 0x18, 3, 0x22, 2, b'{',
            b'}',
        ],
    );
    // As a plain peer sends its first message: what is zero is not there.
    let first = Segment::new(0, 0, 1, payload).expect("a segment");
    golden(
        &frame(0, 0, Body::Data(first)),
        &[0x2a, 6, 0x18, 1, 0x22, 2, b'{', b'}'],
    );
}

#[test]
fn an_ack_frame_has_these_bytes() {
    golden(&frame(7, 0, Body::Ack), &[0x18, 7, 0x32, 0]);
    // Nothing received: the number before 0.
    golden(
        &frame(u32::MAX, 0, Body::Ack),
        &[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x32, 0],
    );
    golden(
        &frame(7, 1 << 31, Body::Ack),
        &[0x18, 7, 0x20, 0x80, 0x80, 0x80, 0x80, 0x08, 0x32, 0],
    );
}

#[test]
fn a_resume_frame_has_these_bytes() {
    golden(&frame(0, 0, Body::Resume { next_seq: 0 }), &[0x3a, 0]);
    golden(
        &frame(127, 0, Body::Resume { next_seq: 128 }),
        &[0x18, 127, 0x3a, 3, 0x08, 0x80, 0x01],
    );
}

#[test]
fn a_reset_frame_has_these_bytes() {
    let reason = Reason::new("bye").expect("a reason");
    golden(
        &frame(0, 0, Body::Reset(reason)),
        &[0x42, 5, 0x0a, 3, b'b', b'y', b'e'],
    );
}

#[test]
fn a_heartbeat_frame_has_these_bytes() {
    golden(&frame(0, 0, Body::Heartbeat), &[0x4a, 0]);
}

#[test]
fn a_handshake_frame_has_these_bytes() {
    let body = Body::Handshake(Bytes::from_static(&[0xfe, 0]));
    golden(&frame(0, 0, body), &[0x52, 4, 0x0a, 2, 0xfe, 0]);
}

#[test]
fn a_payload_is_a_part_of_the_message_and_no_copy() {
    let bytes = Bytes::from(with_head(&[0x2a, 6, 0x18, 1, 0x22, 2, b'{', b'}']));
    let Body::Data(segment) = decode(bytes.clone()).expect("a frame").body else {
        panic!("data");
    };
    assert_eq!(
        segment.payload().as_ptr(),
        bytes[bytes.len() - 2..].as_ptr()
    );
}

#[test]
fn what_the_contract_does_not_allow_is_no_frame() {
    let table: &[(&[u8], FrameError)] = &[
        (&[], FrameError::Version(0)),
        (&[0x08, 2, 0x12, 1, b's', 0x32, 0], FrameError::Version(2)),
        (&[0x08, 1, 0x32, 0], FrameError::StreamId { bytes: 0 }),
        (
            &[0x08, 1, 0x12, 2, b' ', b's', 0x32, 0],
            FrameError::StreamId { bytes: 2 },
        ),
        (&HEAD, FrameError::NoBody),
        (
            &with_head(&[0x2a, 4, 0x18, 1, 0x22, 0]),
            FrameError::EmptyPayload,
        ),
        (&with_head(&[0x42, 0]), FrameError::Reason { bytes: 0 }),
        (&with_head(&[0x52, 0]), FrameError::Handshake { bytes: 0 }),
    ];
    for (bytes, error) in table {
        assert_eq!(decode(bytes.to_vec()).as_ref(), Err(error), "{bytes:?}");
    }
    let long = "s".repeat(limits::STREAM_ID_BYTES);
    assert!(StreamId::new(&long).is_ok());
    assert!(StreamId::new(&(long + "s")).is_err());
    for bytes in [limits::HANDSHAKE_BYTES, limits::HANDSHAKE_BYTES + 1] {
        let handshake = frame(0, 0, Body::Handshake(vec![0; bytes].into()));
        let read = decode(handshake.encode());
        match bytes {
            limits::HANDSHAKE_BYTES => assert_eq!(read, Ok(handshake)),
            _ => assert_eq!(read, Err(FrameError::Handshake { bytes })),
        }
    }
    let long = "r".repeat(limits::REASON_BYTES);
    assert!(Reason::new(&*long).is_ok());
    assert!(Reason::new(long + "r").is_err());
}

#[test]
fn bytes_that_are_cut_off_or_of_other_types_are_malformed() {
    let table: &[&[u8]] = &[
        b"{\"jsonrpc\":1}",
        &[0x08],
        &[
            0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ],
        &[0x0a, 1, 1],
        &with_head(&[0x2a, 200, 0x18, 1]),
        &[0x08, 1, 0x12, 2, 0xff, 0xfe, 0x32, 0],
        &with_head(&[0x32, 0, 0x07]),
    ];
    for bytes in table {
        let read = decode(bytes.to_vec());
        assert!(
            matches!(read, Err(FrameError::Malformed(_))),
            "{bytes:?}: {read:?}"
        );
    }
}

#[test]
fn attack_33_segments_that_no_message_has_are_refused() {
    let payload = || Bytes::from_static(b"x");
    let new = |seq, index, count| Segment::new(seq, index, count, payload());
    assert_eq!(
        new(0, 0, 0),
        Err(FrameError::SegmentIndex { index: 0, count: 0 })
    );
    assert_eq!(
        new(9, 3, 3),
        Err(FrameError::SegmentIndex { index: 3, count: 3 })
    );
    assert_eq!(
        new(9, u32::MAX, u32::MAX),
        Err(FrameError::SegmentIndex {
            index: u32::MAX,
            count: u32::MAX
        })
    );
    assert_eq!(
        new(2, 3, 5),
        Err(FrameError::SegmentStart { seq: 2, index: 3 })
    );
    assert_eq!(
        new(u32::MAX - 1, 1, 4),
        Err(FrameError::SegmentEnd {
            start: u32::MAX - 2,
            count: 4
        })
    );
    assert!(new(u32::MAX, u32::MAX - 1, u32::MAX).is_ok());
    // And so on the wire: no count at all is a count of 0.
    assert_eq!(
        decode(with_head(&[0x2a, 3, 0x22, 1, b'x'])),
        Err(FrameError::SegmentIndex { index: 0, count: 0 })
    );
}

#[test]
fn attack_33_a_frame_nested_without_end_is_refused_and_overflows_no_stack() {
    // Groups (field 15, wire types 3 and 4) may nest in what is passed over as unknown: RUSTSEC-2024-0437 was a stack that overflowed there.
    for depth in [101, 100_000, 5_000_000] {
        let mut bytes = with_head(&[0x32, 0]);
        bytes.extend(std::iter::repeat_n(0x7b, depth));
        bytes.extend(std::iter::repeat_n(0x7c, depth));
        assert!(matches!(decode(bytes), Err(FrameError::Malformed(_))));
    }
    // In a message inside the frame, too.
    let deep = [vec![0x7b; 5_000], vec![0x7c; 5_000]].concat();
    let mut bytes = with_head(&[0x32, 0x90, 0x4e]);
    bytes.extend(deep);
    assert!(matches!(decode(bytes), Err(FrameError::Malformed(_))));
}

#[test]
fn attack_33_unknown_fields_are_passed_over_and_change_nothing() {
    let known = frame(7, 0, Body::Ack);
    // Fields 15 (varint), 16 (bytes), 17 (64 bits), 18 (32 bits) and a group 19 with something in it; another inside the body.
    let unknown: &[u8] = &[
        0x78, 0xff, 0x01, 0x82, 0x01, 3, 1, 2, 3, 0x89, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0x95, 0x01,
        1, 2, 3, 4, 0x9b, 0x01, 0x08, 1, 0x9c, 0x01,
    ];
    let bytes = with_head(&[&[0x18, 7, 0x32, 2, 0x78, 1], unknown].concat());
    let read = decode(bytes).expect("a frame");
    assert_eq!(read, known);
    assert_eq!(read.encode(), known.encode(), "and are not sent on");
    // A body that only a later version knows is no body.
    assert_eq!(decode(with_head(&[0x5a, 0])), Err(FrameError::NoBody));
    // Of two bodies the last counts, as protobuf says.
    let two = with_head(&[0x4a, 0, 0x18, 7, 0x32, 0]);
    assert_eq!(decode(two), Ok(known));
}

#[test]
fn attack_33_a_frame_above_the_limit_is_not_even_read() {
    let largest = vec![b' '; limits::MESSAGE_BYTES];
    let segment = Segment::new(0, 0, 1, largest.into()).expect("a segment");
    let id = StreamId::new(&"s".repeat(limits::STREAM_ID_BYTES)).expect("a name");
    let frame = Frame {
        stream: id,
        acks: Acks {
            ack: u32::MAX,
            bits: u32::MAX,
        },
        body: Body::Data(segment),
    };
    let bytes = frame.encode();
    assert!(
        bytes.len() <= limits::FRAME_BYTES,
        "the largest message fits"
    );
    assert_eq!(decode(bytes), Ok(frame));
    let bytes = limits::FRAME_BYTES + 1;
    assert_eq!(decode(vec![0; bytes]), Err(FrameError::TooLarge { bytes }));
}
