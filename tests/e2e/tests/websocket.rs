//! The websockets of both listeners, frame by frame as RFC 6455 has them: what is allowed arrives, and what is not ends its connection with the code
//! that says why, and no other connection. The cases are those of the Autobahn suite that can differ without extensions (its groups 1 to 7), in our words.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use lockgate_e2e::{DEADLINE, RawWebSocket, Rendezvous, Server, UPGRADE, websocket_frame};
use serde_json::{Value, json};

/// Codes of RFC 6455, 7.4.1.
const NORMAL: u16 = 1000;
const PROTOCOL: u16 = 1002;
const INVALID: u16 = 1007;
const TOO_BIG: u16 = 1009;

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The bit of a frame that is the last of its message, and the reserved ones.
const FIN: u8 = 0x80;
const RESERVED: [u8; 3] = [0x40, 0x20, 0x10];

/// Something that speaks websocket, and a message that it understands.
trait Listener {
    /// A connection on which messages are understood.
    fn connection(&mut self) -> RawWebSocket;

    /// Opcode and payload of a message.
    fn message(&self) -> (u8, Vec<u8>);

    /// Waits until that message was understood once more, and hands on what else came to the connection meanwhile.
    fn understood(&mut self, connection: &mut RawWebSocket) -> Vec<(u8, Vec<u8>)>;
}

/// `lockgate serve`: requests are answered.
impl Listener for Server {
    fn connection(&mut self) -> RawWebSocket {
        RawWebSocket::ready(self)
    }

    fn message(&self) -> (u8, Vec<u8>) {
        let request = json!({"id": "ä€🦀", "method": "environment/status"});
        (TEXT, request.to_string().into_bytes())
    }

    fn understood(&mut self, connection: &mut RawWebSocket) -> Vec<(u8, Vec<u8>)> {
        let mut others = Vec::new();
        loop {
            let (opcode, payload) = connection.receive();
            if opcode == TEXT {
                let answer: Value = serde_json::from_slice(&payload).expect("JSON");
                assert_eq!(answer["id"], "ä€🦀");
                assert_eq!(answer["result"]["status"], "ready");
                return others;
            }
            others.push((opcode, payload));
        }
    }
}

/// `lockgate rendezvous`: frames of a harness come to the executor.
struct Meeting {
    rendezvous: Rendezvous,
    executor: RawWebSocket,
    url: String,
    _folder: tempfile::TempDir,
}

/// Version 1, the stream `s`, a resume from 0 (PROTOCOL 8.2): how a harness begins.
const BEGINNING: [u8; 7] = [0x08, 1, 0x12, 1, b's', 0x3a, 0];

impl Meeting {
    fn start() -> Meeting {
        let folder = tempfile::tempdir().expect("a folder");
        let rendezvous = Rendezvous::start(folder.path());
        let token = rendezvous.token("box", "executor");
        let address = rendezvous.address();
        let mut socket = TcpStream::connect(address).expect("connected");
        write!(
            socket,
            "POST /cloud/environment/box/register HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        )
        .expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let body: Value = serde_json::from_str(body).expect("JSON");
        Meeting {
            executor: RawWebSocket::connect(body["url"].as_str().expect("a URL")),
            url: rendezvous.harness_url("box", None),
            rendezvous,
            _folder: folder,
        }
    }
}

impl Listener for Meeting {
    fn connection(&mut self) -> RawWebSocket {
        RawWebSocket::connect(&self.url)
    }

    fn message(&self) -> (u8, Vec<u8>) {
        (BINARY, BEGINNING.to_vec())
    }

    fn understood(&mut self, connection: &mut RawWebSocket) -> Vec<(u8, Vec<u8>)> {
        loop {
            match self.executor.receive() {
                (BINARY, frame) if frame == BEGINNING => break,
                // What an earlier connection left: the end of its stream, and whether we are still there.
                (BINARY | PING, _) => continue,
                other => panic!("{other:?}"),
            }
        }
        // A ping of our own is answered after what was asked before.
        connection.send(&websocket_frame(PING, b"last"));
        let mut others = Vec::new();
        loop {
            match connection.receive() {
                (PONG, payload) if payload == b"last" => return others,
                other => others.push(other),
            }
        }
    }
}

/// A frame whose first byte is this.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = websocket_frame(first & 0x0f, payload);
    frame[0] = first;
    frame
}

/// Frames that make one message, of parts of these sizes and the rest, with `between` before each but the first.
fn parts(opcode: u8, mut payload: &[u8], sizes: &[usize], between: &[u8]) -> Vec<u8> {
    let (mut frames, mut opcode) = (Vec::new(), opcode);
    for size in sizes {
        let (part, rest) = payload.split_at((*size).min(payload.len()));
        frames.extend(frame(opcode, part));
        frames.extend(between);
        (opcode, payload) = (CONTINUED, rest);
    }
    frames.extend(frame(FIN | opcode, payload));
    frames
}

/// The same frame under another mask (RFC 6455, 5.3).
fn masked(mut frame: Vec<u8>, mask: [u8; 4]) -> Vec<u8> {
    let start = match frame[1] & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    frame[start..start + 4].copy_from_slice(&mask);
    for (number, byte) in frame[start + 4..].iter_mut().enumerate() {
        *byte ^= mask[number % 4];
    }
    frame
}

fn unmasked(mut frame: Vec<u8>) -> Vec<u8> {
    frame[1] &= 0x7f;
    frame.drain(2..6);
    frame
}

/// What is allowed, and what the peer is told of it beside what the message brings.
fn is_understood(listener: &mut impl Listener) {
    let (opcode, message) = listener.message();
    let whole = websocket_frame(opcode, &message);
    let largest = [b'p'; 125];
    let ping = |payload: &[u8]| websocket_frame(PING, payload);
    let pong = |payload: &[u8]| (PONG, payload.to_vec());
    let one_by_one = vec![1; message.len()];
    let table = [
        ("a message", whole.clone(), vec![]),
        ("a mask", masked(whole.clone(), [1, 2, 3, 0xff]), vec![]),
        ("two parts", parts(opcode, &message, &[3], b""), vec![]),
        (
            "a part of nothing first",
            parts(opcode, &message, &[0], b""),
            vec![],
        ),
        (
            "nothing in between",
            parts(opcode, &message, &[2, 0, 0, 1], b""),
            vec![],
        ),
        (
            "nothing at the end",
            parts(opcode, &message, &[message.len()], b""),
            vec![],
        ),
        // Also in the middle of a character.
        (
            "a byte a part",
            parts(opcode, &message, &one_by_one, b""),
            vec![],
        ),
        (
            "a ping between parts",
            parts(opcode, &message, &[3], &ping(b"between")),
            vec![pong(b"between")],
        ),
        (
            "an empty ping",
            [ping(b""), whole.clone()].concat(),
            vec![pong(b"")],
        ),
        (
            "the largest ping",
            [ping(&largest), whole.clone()].concat(),
            vec![pong(&largest)],
        ),
        (
            "a ping of any bytes",
            [ping(&[0, 0xff, 0xfe]), whole.clone()].concat(),
            vec![pong(&[0, 0xff, 0xfe])],
        ),
        (
            "a pong that nobody asked for",
            [websocket_frame(PONG, b"unasked"), whole.clone()].concat(),
            vec![],
        ),
        (
            "a pong between parts",
            parts(opcode, &message, &[3], &websocket_frame(PONG, b"")),
            vec![],
        ),
    ];
    for (what, frames, told) in table {
        // At once, and byte by byte.
        for bytes_at_once in [frames.len(), 1] {
            let mut connection = listener.connection();
            for piece in frames.chunks(bytes_at_once) {
                connection.send(piece);
            }
            assert_eq!(listener.understood(&mut connection), told, "{what}");
        }
    }
    // A second message follows the first, whatever that was like.
    let mut connection = listener.connection();
    for frames in [parts(opcode, &message, &[3], b""), whole.clone(), whole] {
        connection.send(&frames);
        assert_eq!(listener.understood(&mut connection), []);
    }
}

/// What ends its connection with a code, and no other.
fn is_refused(listener: &mut impl Listener, largest: u64) {
    let (opcode, message) = listener.message();
    let whole = websocket_frame(opcode, &message);
    let begun = frame(opcode, &message[..3]);
    let mut table = vec![
        ("no mask", unmasked(whole.clone()), PROTOCOL),
        (
            "no mask on a ping",
            unmasked(websocket_frame(PING, b"x")),
            PROTOCOL,
        ),
        ("a continuation of nothing", frame(FIN, &message), PROTOCOL),
        (
            "a part that continues nothing",
            frame(CONTINUED, &message),
            PROTOCOL,
        ),
        (
            "a message within a message",
            [begun.clone(), whole.clone()].concat(),
            PROTOCOL,
        ),
        (
            "a continuation of what is over",
            [parts(opcode, &message, &[3], b""), frame(FIN, b"more")].concat(),
            PROTOCOL,
        ),
        ("a ping in parts", frame(PING, b"x"), PROTOCOL),
        ("a pong in parts", frame(PONG, b"x"), PROTOCOL),
        ("a close in parts", frame(CLOSE, &[3, 0xe8]), PROTOCOL),
        (
            "a ping above 125 bytes",
            websocket_frame(PING, &[b'p'; 126]),
            PROTOCOL,
        ),
        (
            "a pong above 125 bytes",
            websocket_frame(PONG, &[b'p'; 126]),
            PROTOCOL,
        ),
        (
            "a close above 125 bytes",
            websocket_frame(CLOSE, &[3; 126]),
            PROTOCOL,
        ),
        ("half a close code", websocket_frame(CLOSE, &[3]), PROTOCOL),
        (
            "a close reason that is no text",
            websocket_frame(CLOSE, &[3, 0xe8, 0xff]),
            INVALID,
        ),
        (
            "a text that is none",
            websocket_frame(TEXT, b"\xff"),
            INVALID,
        ),
        (
            "a surrogate",
            websocket_frame(TEXT, b"\xed\xa0\x80"),
            INVALID,
        ),
        (
            "more bytes than it takes",
            websocket_frame(TEXT, b"\xc0\xaf"),
            INVALID,
        ),
        (
            "beyond Unicode",
            websocket_frame(TEXT, b"\xf4\x90\x80\x80"),
            INVALID,
        ),
        (
            "a text cut in a character",
            websocket_frame(TEXT, "€".as_bytes().split_at(2).0),
            INVALID,
        ),
        // Said at once, not at the end of the message.
        ("a part that is no text", frame(TEXT, b"a\xff"), INVALID),
        (
            "two parts that are no text together",
            [frame(TEXT, b"\xe2\x82"), frame(CONTINUED, b"x")].concat(),
            INVALID,
        ),
        (
            "a text whose last part is cut in a character",
            [frame(TEXT, b"x"), frame(FIN, b"\xe2\x82")].concat(),
            INVALID,
        ),
    ];
    for bit in RESERVED {
        table.push((
            "a reserved bit",
            frame(FIN | bit | opcode, &message),
            PROTOCOL,
        ));
        table.push((
            "a reserved bit on a ping",
            frame(FIN | bit | PING, b""),
            PROTOCOL,
        ));
        let continued = [begun.clone(), frame(FIN | bit, b"x")].concat();
        table.push(("a reserved bit on a part", continued, PROTOCOL));
    }
    for reserved in (3..=7).chain(11..=15) {
        table.push(("a reserved opcode", frame(FIN | reserved, b""), PROTOCOL));
        table.push(("a reserved opcode", frame(FIN | reserved, b"x"), PROTOCOL));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, u16::MAX] {
        let close = websocket_frame(CLOSE, &code.to_be_bytes());
        table.push(("a close code that is none", close, PROTOCOL));
    }
    for length in [largest + 1, 1 << 40, u64::MAX] {
        let head = [&[FIN | opcode, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        table.push(("a length above the limit", head, TOO_BIG));
    }
    let mut witness = listener.connection();
    for (what, frames, code) in table {
        let mut connection = listener.connection();
        connection.send(&frames);
        let (opcode, payload) = loop {
            match connection.receive_or_end() {
                // What came before was good.
                Some((TEXT, _)) => continue,
                Some(other) => break other,
                None => panic!(
                    "{what}: no close ({:02x?})",
                    &frames[..frames.len().min(12)]
                ),
            }
        };
        let told = payload
            .get(..2)
            .map(|code| u16::from_be_bytes([code[0], code[1]]));
        assert_eq!((opcode, told), (CLOSE, Some(code)), "{what}: {payload:?}");
        assert_eq!(connection.receive_or_end(), None, "{what}");
    }
    witness.send(&whole);
    listener.understood(&mut witness);
}

/// How a close is answered: with the same code, and then the connection ends. What follows it is not looked at.
fn is_answered(listener: &mut impl Listener) {
    let (opcode, message) = listener.message();
    let with_reason =
        |code: u16, reason: &str| [&code.to_be_bytes()[..], reason.as_bytes()].concat();
    let longest = "r".repeat(123);
    for payload in [
        vec![],
        with_reason(NORMAL, ""),
        with_reason(1001, "going away"),
        with_reason(1003, "ä€🦀"),
        with_reason(1011, &longest),
        with_reason(3000, ""),
        with_reason(4999, ""),
    ] {
        let close = websocket_frame(CLOSE, &payload);
        for after in [
            vec![],
            websocket_frame(PING, b"late"),
            websocket_frame(opcode, &message),
            frame(FIN | RESERVED[0] | TEXT, b"x"),
        ] {
            let mut connection = listener.connection();
            connection.send(&[close.clone(), after].concat());
            let answer = connection.receive_or_end();
            assert_eq!(answer, Some((CLOSE, payload.clone())));
            let mut rest = Vec::new();
            if let Err(error) = connection.socket.read_to_end(&mut rest) {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
            }
            assert_eq!(rest, b"", "nothing follows a close");
        }
    }
    // In the middle of a message too, which is never whole then.
    let mut connection = listener.connection();
    let close = websocket_frame(CLOSE, &NORMAL.to_be_bytes());
    connection.send(&[frame(opcode, &message[..3]), close].concat());
    assert_eq!(connection.receive().0, CLOSE);
}

/// What a request must have to become a websocket, and what it gets if it has not.
fn opens(address: &str, path: &str) {
    let without = |name: &str| {
        let lines = UPGRADE.split_inclusive("\r\n");
        lines
            .filter(|line| !line.starts_with(name))
            .collect::<String>()
    };
    let with = |from: &str, to: &str| UPGRADE.replace(from, to);
    let table = [
        ("GET", UPGRADE.to_owned(), "101"),
        (
            "GET",
            with("Connection: Upgrade", "connection: keep-alive, UPGRADE"),
            "101",
        ),
        (
            "GET",
            with("Upgrade: websocket", "upgrade: h2c, WebSocket"),
            "101",
        ),
        (
            "GET",
            format!("{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            "101",
        ),
        ("GET", without("Connection"), "426"),
        ("GET", without("Upgrade"), "426"),
        ("GET", without("Sec-WebSocket-Version"), "426"),
        ("GET", with("Version: 13", "Version: 8"), "426"),
        ("GET", without("Sec-WebSocket-Key"), "400"),
    ];
    for (method, headers, status) in table {
        let mut socket = TcpStream::connect(address).expect("connected");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        assert_eq!(head.split(' ').nth(1), Some(status), "{headers}: {head}");
        // None was agreed on.
        assert!(!head.contains("sec-websocket-extensions"), "{head}");
        assert_eq!(
            head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
            status == "101"
        );
        // Which version it would have to be.
        let is_version = headers.contains("Version: 8") || !headers.contains("Version");
        assert!(
            !is_version || head.contains("sec-websocket-version: 13"),
            "{head}"
        );
    }
}

#[test]
fn attack_30_a_server_speaks_websocket_as_rfc_6455_has_it() {
    let mut server = Server::start();
    opens(server.address(), "/");
    is_understood(&mut server);
    is_answered(&mut server);
    is_refused(&mut server, 64 << 20);
}

#[test]
fn attack_30_a_rendezvous_speaks_websocket_as_rfc_6455_has_it() {
    let mut meeting = Meeting::start();
    let path = meeting.url[meeting.url.find("/rendezvous").expect("its path")..].to_owned();
    opens(meeting.rendezvous.address(), &path);
    is_understood(&mut meeting);
    is_answered(&mut meeting);
    is_refused(&mut meeting, lockgate_relay::limits::FRAME_BYTES as u64);
}
