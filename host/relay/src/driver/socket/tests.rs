//! What the library makes of the same bytes is right: it has the suite of Autobahn behind it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use proptest::prelude::*;
use tokio::io::{DuplexStream, ReadBuf, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;

use super::*;
use crate::limits;

/// A socket whose other end is a test.
#[derive(Clone, Debug, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    input: VecDeque<u8>,
    /// How it ends, once everything was read.
    end: Option<Result<(), io::ErrorKind>>,
    output: Vec<u8>,
    /// How often something was written.
    writes: usize,
}

impl Scripted {
    fn lock(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().expect("not poisoned")
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.lock();
        if script.input.is_empty() {
            return match script.end {
                None => Poll::Pending,
                Some(end) => Poll::Ready(end.map_err(io::Error::from)),
            };
        }
        let length = out.remaining().min(script.input.len());
        let bytes: Vec<u8> = script.input.drain(..length).collect();
        out.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut script = self.lock();
        script.output.extend_from_slice(bytes);
        script.writes += 1;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One of the two websockets that are compared.
trait Socket: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin {}

impl<T> Socket for T where
    T: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin
{
}

/// What happens at the other end, or is done at this one.
#[derive(Clone, Debug)]
enum Act {
    Comes(Vec<u8>),
    Ends(Option<io::ErrorKind>),
    Sends(Message),
    Closes,
}

/// Everything that can be seen of a websocket while that happens.
fn seen(socket: &mut impl Socket, script: &Scripted, acts: &[Act]) -> Vec<String> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut seen = Vec::new();
    for act in acts {
        match act {
            Act::Comes(bytes) => script.lock().input.extend(bytes),
            Act::Ends(error) => script.lock().end = Some(error.map_or(Ok(()), Err)),
            Act::Sends(message) => {
                if socket.poll_ready_unpin(&mut cx).is_ready() {
                    let sent = socket.start_send_unpin(message.clone());
                    seen.push(format!("sent: {sent:?}"));
                }
                seen.push(format!("flushed: {:?}", socket.poll_flush_unpin(&mut cx)));
            }
            Act::Closes => seen.push(format!("closed: {:?}", socket.poll_close_unpin(&mut cx))),
        }
        while let Poll::Ready(read) = socket.poll_next_unpin(&mut cx) {
            seen.push(format!("read: {read:?}"));
            if read.is_none() {
                break;
            }
        }
    }
    seen
}

/// Frames as they were sent, without their masks.
fn frames(mut bytes: &[u8], is_client: bool) -> Vec<(FrameHeader, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let mut at = io::Cursor::new(bytes);
        let head = FrameHeader::parse(&mut at).expect("a head");
        let (mut header, length) = head.expect("all of it");
        let (_, rest) = bytes.split_at(at.position() as usize);
        let (payload, rest) = rest.split_at(length as usize);
        let mut payload = payload.to_vec();
        assert_eq!(header.mask.is_some(), is_client, "clients mask");
        mask::apply(&mut payload, header.mask.take().unwrap_or_default());
        frames.push((header, payload));
        bytes = rest;
    }
    frames
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(64)
        .write_buffer_size(256)
        .max_message_size(Some(3_000))
        .max_frame_size(Some(2_000))
}

/// Both see the same, and send the same.
fn compare(role: Role, acts: &[Act]) {
    let ours = Scripted::default();
    let mut socket = FrameSocket::new(ours.clone(), &[], role, config());
    let seen_by_ours = seen(&mut socket, &ours, acts);
    let theirs = Scripted::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut socket = runtime.block_on(WebSocketStream::from_raw_socket(
        theirs.clone(),
        role,
        Some(config()),
    ));
    let seen_by_theirs = seen(&mut socket, &theirs, acts);
    assert_eq!(seen_by_ours, seen_by_theirs);
    let is_client = role == Role::Client;
    let (ours, theirs) = (&ours.lock().output, &theirs.lock().output);
    assert_eq!(frames(ours, is_client), frames(theirs, is_client));
}

/// A frame's bytes, right or wrong.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        8 => Just(2_u8), 2 => Just(0_u8), 2 => Just(1_u8), 2 => Just(9_u8), 1 => Just(10_u8), 1 => Just(8_u8), 1 => 0..16_u8,
    ];
    let payload = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..130),
        2 => "[a-z]{0,200}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..2_100),
        1 => Just(vec![3, 232]),
    ];
    let flags = (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.02),
        prop::bool::weighted(0.97),
    );
    (opcode, payload, flags, any::<[u8; 4]>()).prop_map(
        |(opcode, mut payload, (is_final, is_reserved, is_right), key)| {
            let first = opcode | u8::from(is_final) << 7 | u8::from(is_reserved) << 6;
            // Masks are put on as for a server; for a client they are taken off below.
            let masked = if is_right { 0x80 } else { 0 };
            let mut bytes = vec![first];
            match payload.len() {
                length @ ..126 => bytes.push(masked | length as u8),
                length => {
                    bytes.push(masked | 126);
                    bytes.extend_from_slice(&(length as u16).to_be_bytes());
                }
            }
            if is_right {
                bytes.extend_from_slice(&key);
                mask::apply(&mut payload, key);
            }
            bytes.extend_from_slice(&payload);
            bytes
        },
    )
}

/// The same as servers send it, if it was masked; else what they may not send.
fn from_server(bytes: &[u8]) -> Vec<u8> {
    let mut at = io::Cursor::new(bytes);
    let Ok(Some((mut header, length))) = FrameHeader::parse(&mut at) else {
        return bytes.to_vec();
    };
    let mut payload = bytes[at.position() as usize..].to_vec();
    header.mask = match header.mask {
        Some(mask) => {
            mask::apply(&mut payload, mask);
            None
        }
        None => Some([0; 4]),
    };
    let mut out = Vec::new();
    header.format(length, &mut out).expect("a vector");
    out.extend_from_slice(&payload);
    out
}

fn message() -> impl Strategy<Value = Message> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..600).prop_map(Bytes::from);
    prop_oneof![
        6 => bytes().prop_map(Message::Binary),
        1 => "[a-z]{0,9}".prop_map(Message::text),
        1 => prop::collection::vec(any::<u8>(), 0..125).prop_map(|bytes| Message::Ping(bytes.into())),
        2 => (bytes(), any::<bool>()).prop_map(|(bytes, last)| {
            Message::Frame(Frame::message(bytes, OpCode::Data(Data::Continue), last))
        }),
        1 => Just(Message::Close(Some(CloseFrame { code: 1001.into(), reason: "words".into() }))),
    ]
}

/// What a peer sends, in pieces, with what is done here between them.
fn acts() -> impl Strategy<Value = (bool, Vec<Act>)> {
    let frames = prop::collection::vec(frame(), 0..12);
    let cuts = prop::collection::vec(1..400_usize, 1..40);
    let between = prop::collection::vec(
        prop::option::weighted(
            0.3,
            prop_oneof![9 => message().prop_map(Act::Sends), 1 => Just(Act::Closes)],
        ),
        40,
    );
    let end = prop::option::of(prop::option::of(Just(io::ErrorKind::ConnectionReset)));
    let flip = prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>()));
    (any::<bool>(), frames, cuts, between, end, flip).prop_map(
        |(is_client, frames, cuts, between, end, flip)| {
            let each = frames.iter().map(|frame| match is_client {
                true => from_server(frame),
                false => frame.clone(),
            });
            let mut bytes: Vec<u8> = each.flatten().collect();
            if let Some((at, flipped)) = flip
                && !bytes.is_empty()
            {
                let at = at.index(bytes.len());
                bytes[at] ^= flipped;
            }
            let mut acts = Vec::new();
            let mut cuts = cuts.into_iter().cycle();
            let mut between = between.into_iter();
            while !bytes.is_empty() {
                let cut = cuts.next().unwrap_or(1).min(bytes.len());
                acts.push(Act::Comes(bytes.drain(..cut).collect()));
                acts.extend(between.next().flatten());
            }
            acts.extend(between.flatten());
            acts.extend(end.map(Act::Ends));
            acts.push(Act::Closes);
            (is_client, acts)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn it_sees_and_sends_what_the_library_does((is_client, acts) in acts()) {
        compare(if is_client { Role::Client } else { Role::Server }, &acts);
    }
}

/// Messages of all sizes, up to those that go by the library.
fn messages() -> Vec<Message> {
    let mut sizes = vec![0, 1, 125, 126, 127, 4_095, 65_535, 65_536, 70_001];
    sizes.extend([limits::SEGMENT_BYTES; 20]);
    sizes.extend([limits::WHOLE_FRAME, limits::WHOLE_FRAME + 1, 1_000_000, 3]);
    let numbered = sizes.into_iter().enumerate();
    let bytes = |number: usize, size: usize| (0..size).map(move |at| (at * 7 + number) as u8);
    numbered
        .map(|(number, size)| Message::Binary(bytes(number, size).collect()))
        .collect()
}

async fn carried(mut from: impl Socket, mut to: impl Socket) {
    let sending = async {
        for message in messages() {
            from.feed(message).await.expect("sent");
        }
        from.flush().await.expect("sent");
        from.close().await.expect("closed");
        // A client reads until nobody is there any more.
        drop(from);
    };
    let reading = async {
        let mut read = Vec::new();
        while let Some(Ok(message)) = to.next().await {
            read.push(message);
        }
        read
    };
    let ((), mut read) = tokio::join!(sending, reading);
    assert!(matches!(read.pop(), Some(Message::Close(None))));
    assert!(read == messages());
}

/// A socket that takes and gives little at once, and both its ends as websockets: this one's first.
async fn pair(role: Role) -> (FrameSocket<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (here, there) = duplex(10_000);
    let config = super::super::websocket_config();
    let other = match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    };
    let theirs = WebSocketStream::from_raw_socket(there, other, Some(config)).await;
    (FrameSocket::new(here, &[], role, config), theirs)
}

#[tokio::test]
async fn messages_of_any_size_arrive_whole_and_in_order_however_little_the_socket_takes() {
    for role in [Role::Client, Role::Server] {
        let (ours, theirs) = pair(role).await;
        carried(ours, theirs).await;
        let (ours, theirs) = pair(role).await;
        carried(theirs, ours).await;
    }
}

#[tokio::test]
async fn a_message_that_came_is_its_readers_alone() {
    let (mut ours, mut theirs) = pair(Role::Client).await;
    let sent = [7; 5_000];
    for _ in 0..3 {
        theirs
            .send(Message::Binary(sent.to_vec().into()))
            .await
            .expect("sent");
        let Some(Ok(Message::Binary(came))) = ours.next().await else {
            panic!("it comes");
        };
        // So what is encrypted is opened where it is.
        let mut came = came.try_into_mut().expect("nobody else has it");
        came[0] = 1;
        assert_eq!(came[1..], sent[1..]);
    }
}

#[test]
fn what_came_with_the_handshake_is_read_first() {
    let script = Scripted::default();
    let mut socket = FrameSocket::new(script.clone(), &[0x82, 2, 1], Role::Client, config());
    let seen = seen(&mut socket, &script, &[Act::Comes(vec![2])]);
    assert_eq!(seen, [r#"read: Some(Ok(Binary(b"\x01\x02")))"#]);
}

#[test]
fn a_small_message_is_written_as_one_part() {
    for (size, parts) in [(limits::SMALL_PART, 1), (limits::SMALL_PART + 1, 2)] {
        let script = Scripted::default();
        let config = super::super::websocket_config();
        let mut socket = FrameSocket::new(script.clone(), &[], Role::Server, config);
        let sends = Act::Sends(Message::Binary(vec![7; size].into()));
        seen(&mut socket, &script, &[sends]);
        // This socket takes a part at a time.
        assert_eq!(script.lock().writes, parts);
        assert_eq!(frames(&script.lock().output, false)[0].1, vec![7; size]);
    }
}
