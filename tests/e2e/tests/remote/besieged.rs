//! Clients of a rendezvous that want to keep others out (ATTACKS 30): most of them have shown nothing yet, no token and no signed URL. What they take is
//! little and given back soon, and whoever has business there is served meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use lockgate_client::{Client, ConnectOptions};
use lockgate_e2e::{DEADLINE, Executor, RawWebSocket, Rendezvous, UPGRADE, websocket_frame};
use lockgate_relay::limits::FRAME_BYTES;

use crate::plain::peak;
use crate::raw::ask;

/// Sockets of one that opens as many as it can. In all they would take gigabytes if each could have what one request may.
const SOCKETS: usize = 3_000;

/// What all that one attack does may cost, in MiB.
const CEILING: usize = 100;

/// Bytes that the body of a request to the registry may have.
const BODY_BYTES: usize = 64 << 10;

/// More than anybody would keep in memory for a client.
pub(crate) const FLOOD: usize = 400 << 20;

/// A rendezvous under siege, with an executor that encrypts in it, one that does not, and harnesses of both.
pub(crate) struct City {
    pub(crate) rendezvous: Rendezvous,
    before: usize,
    _executors: [Executor; 2],
    urls: [String; 2],
    inhabitant: Client,
    _folder: tempfile::TempDir,
}

impl City {
    pub(crate) async fn found() -> City {
        let folder = tempfile::tempdir().expect("a folder");
        let rendezvous = Rendezvous::start(folder.path());
        let token = |environment| rendezvous.token(environment, "executor");
        let url = rendezvous.url();
        let executors = [
            Executor::from_command(Executor::encrypting(url, "sealed", &token("sealed"))),
            Executor::start(url, "open", &token("open")),
        ];
        let urls = ["sealed", "open"].map(|name| rendezvous.harness_url(name, None));
        let inhabitant = Client::connect_ws(&urls[1], ConnectOptions::default()).await;
        City {
            before: peak(rendezvous.pid()),
            _executors: executors,
            urls,
            inhabitant: inhabitant.expect("connected"),
            rendezvous,
            _folder: folder,
        }
    }

    /// Who is there is served, and who comes.
    pub(crate) async fn lives(&self) {
        self.inhabitant.status().await.expect("answered");
        let guest = Client::connect_ws(&self.urls[1], ConnectOptions::default()).await;
        let guest = guest.expect("connected");
        guest.status().await.expect("answered");
        guest.close().await;
    }

    fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.rendezvous.address()).expect("connected");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        socket
            .set_write_timeout(Some(DEADLINE))
            .expect("a deadline");
        socket
    }

    fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.rendezvous.pid());
        std::fs::read_dir(folder).expect("it runs").count()
    }

    pub(crate) fn holds(&self) {
        let more = peak(self.rendezvous.pid()) - self.before;
        assert!(more < CEILING, "it took {more} MiB");
    }
}

/// All that comes until the end, or until a reset.
fn rest(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    if let Err(error) = socket.read_to_end(&mut all) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Whether its end has come; if not, one more byte is sent. A byte a second is never late enough for those who look at single reads only.
fn drips(socket: &mut TcpStream) -> bool {
    let second = Some(Duration::from_secs(1));
    socket.set_read_timeout(second).expect("a deadline");
    loop {
        match socket.read(&mut [0; 1_024]) {
            Ok(0) => return false,
            // It is told that it was too slow.
            Ok(_) => continue,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    socket.write_all(b"x").is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_30_thousands_that_begin_and_never_end_take_little_and_leave_soon() {
    let city = City::found().await;
    let before = city.open_files();
    let upgrade = format!("GET /rendezvous?role=harness HTTP/1.1\r\nHost: x\r\n{UPGRADE}");
    let beginnings = [
        "",
        "G",
        "POST /cloud/environment/box/register HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        &upgrade,
    ];
    let sockets: Vec<_> = (0..SOCKETS)
        .map(|number| {
            let mut socket = city.socket();
            let beginning = beginnings[number % beginnings.len()];
            socket.write_all(beginning.as_bytes()).expect("sent");
            socket
        })
        .collect();
    // Sockets are accepted in turn: all of them are, once one that came later is served.
    city.lives().await;
    city.holds();
    // Some of each kind go on, as slowly as one can without being silent.
    let slow = sockets.iter().take(4 * beginnings.len());
    let slow: Vec<_> = slow
        .map(|socket| socket.try_clone().expect("another handle"))
        .collect();
    let dripping: Vec<_> = slow
        .into_iter()
        .map(|mut socket| {
            tokio::task::spawn_blocking(move || {
                let begun = Instant::now();
                while drips(&mut socket) {
                    assert!(begun.elapsed() < DEADLINE, "it may go on for ever");
                }
            })
        })
        .collect();
    for dripping in dripping {
        dripping.await.expect("an end came");
    }
    // The others as well, and every place is given back.
    tokio::task::spawn_blocking(move || {
        for mut socket in sockets {
            socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
            rest(&mut socket);
        }
    })
    .await
    .expect("all ended");
    let begun = Instant::now();
    while city.open_files() > before {
        assert!(begun.elapsed() < DEADLINE, "{} files", city.open_files());
        city.lives().await;
    }
    city.holds();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_30_heads_that_are_too_large_are_refused_before_they_are_there() {
    let city = City::found().await;
    let megabytes = "a".repeat(8 << 20);
    let bombs = [
        format!("GET /rendezvous?{megabytes} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {megabytes}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{}: x\r\n\r\n", megabytes),
        format!(
            "GET /rendezvous HTTP/1.1\r\nHost: x\r\n{UPGRADE}{}\r\n",
            "A: b\r\n".repeat(1_000_000)
        ),
        megabytes.clone(),
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n{}",
            " \r\n".repeat(1_000_000)
        ),
        "\r\n".repeat(4_000_000),
    ];
    for bomb in &bombs {
        let mut socket = city.socket();
        // It hangs up in the middle.
        let sent = socket.write_all(bomb.as_bytes());
        let told = rest(&mut socket);
        let first = told.lines().next().unwrap_or("");
        let refused = ["400", "404", "414", "431"]
            .iter()
            .any(|status| first.contains(status));
        // What was said may be lost where more came than was read.
        assert!(refused || sent.is_err() || told.is_empty(), "{told}");
        assert!(!told.contains(" 101 "), "{told}");
    }
    city.lives().await;
    city.holds();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_30_what_follows_an_upgrade_that_was_refused_is_no_websocket() {
    let city = City::found().await;
    let mut fragments = websocket_frame(2, &[b'f'; 1_000]);
    fragments[0] = 2;
    let mut more = websocket_frame(0, &[b'f'; 1_000]);
    more[0] = 0;
    fragments.extend(more.repeat(1_000));
    let forged = city.urls[1].replace("signature=", "signature=00");
    let path = &forged[forged.find("/rendezvous").expect("its path")..];
    for path in [path, "/rendezvous", "/", "/readyz"] {
        for flood in [
            &fragments,
            &websocket_frame(9, b"ping").repeat(100_000),
            &websocket_frame(2, &vec![0; 4 << 20]),
        ] {
            let mut socket = city.socket();
            let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n");
            let _ = socket.write_all(&[head.as_bytes(), flood].concat());
            let told = rest(&mut socket);
            assert!(!told.contains("HTTP/1.1 101"), "{path}: {told}");
        }
    }
    city.lives().await;
    city.holds();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_30_a_body_without_a_token_is_not_waited_for() {
    let city = City::found().await;
    for (environment, framing) in [
        ("sealed", "Content-Length: 60000"),
        ("open", "Transfer-Encoding: chunked"),
        ("open", "Content-Length: 99999999999999"),
    ] {
        let mut socket = city.socket();
        let head = format!(
            "POST /cloud/environment/{environment}/register HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n1"
        );
        socket.write_all(head.as_bytes()).expect("sent");
        let told = rest(&mut socket);
        assert!(told.starts_with("HTTP/1.1 401 "), "{framing}: {told}");
    }
    // And with one no more is read than a request may have, whether it says how much comes or not.
    let token = city.rendezvous.token("open", "executor");
    let begins = |framing: &str| {
        let mut socket = city.socket();
        let head = format!(
            "POST /cloud/environment/open/register HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{framing}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("sent");
        socket
    };
    let refused = |socket: &mut TcpStream| {
        let told = rest(socket);
        assert!(
            told.starts_with("HTTP/1.1 413 ") && told.contains("a body may have 65536 bytes"),
            "{told}"
        );
    };
    refused(&mut begins(&format!("Content-Length: {}", BODY_BYTES + 1)));
    let mut socket = begins("Transfer-Encoding: chunked");
    let chunk = format!("{:x}\r\n{}", BODY_BYTES + 1, "b".repeat(BODY_BYTES + 1));
    socket.write_all(chunk.as_bytes()).expect("sent");
    refused(&mut socket);
    let mut socket = begins("Transfer-Encoding: chunked");
    let chunk = format!("{chunk}\r\n").repeat(100);
    // It hangs up in the middle, and what it said may be lost with that.
    let _ = socket.write_all(chunk.as_bytes());
    let told = rest(&mut socket);
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 413 "),
        "{told}"
    );
    // As much as a request may have is read, and only then looked at.
    let mut socket = begins(&format!(
        "Connection: close\r\nContent-Length: {BODY_BYTES}"
    ));
    socket
        .write_all("b".repeat(BODY_BYTES).as_bytes())
        .expect("sent");
    let told = rest(&mut socket);
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    assert_eq!(ask(&city.rendezvous, "GET", "/readyz", "").0, 200);
    city.lives().await;
    city.holds();
}

/// A part of a message, which is not the last one.
fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut part = websocket_frame(opcode, payload);
    part[0] &= 0x7f;
    part
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_30_a_message_that_never_ends_ends_its_connection_and_no_other() {
    let city = City::found().await;
    let ping = websocket_frame(9, b"still here");
    for (url, limit) in [(&city.urls[0], 256 << 10), (&city.urls[1], FRAME_BYTES)] {
        for opcode in [1, 2] {
            let mut hostile = RawWebSocket::connect(url);
            let patience = Some(DEADLINE);
            hostile
                .socket
                .set_write_timeout(patience)
                .expect("a deadline");
            hostile.send(&part(opcode, b"begin"));
            let parts = [part(0, &[b'm'; 64 << 10]), ping.clone()].concat();
            // It hangs up soon after the limit: what is on its way then lies in the buffers of the system.
            let mut sent = 0;
            while hostile.socket.write_all(&parts).is_ok() {
                sent += parts.len();
                assert!(sent < limit + (32 << 20), "{sent} bytes are taken");
            }
        }
    }
    city.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_30_a_frame_that_is_too_large_is_refused_by_its_head() {
    let city = City::found().await;
    for (url, lengths) in [
        (&city.urls[0], [(256 << 10) + 1, 64 << 20, u64::MAX]),
        (&city.urls[1], [FRAME_BYTES as u64 + 1, 1 << 40, u64::MAX]),
    ] {
        for length in lengths {
            let mut hostile = RawWebSocket::connect(url);
            hostile.send(&[&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat());
            let refusal = hostile.receive_or_end();
            if let Some((opcode, payload)) = refusal {
                assert_eq!(opcode, 8, "{length}: {payload:?}");
                assert_eq!(payload[..2], 1_009_u16.to_be_bytes(), "{length}");
            }
        }
    }
    city.lives().await;
    city.holds();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_30_pings_whose_answers_nobody_takes_cost_a_rendezvous_no_memory() {
    let city = City::found().await;
    let url = city.urls[1].clone();
    let flooding = tokio::task::spawn_blocking(move || {
        let mut hostile = RawWebSocket::connect(&url);
        let pings = websocket_frame(9, &[b'p'; 125]).repeat(1_000);
        hostile.flood(&pings, FLOOD);
        hostile
    });
    let hostile = flooding.await.expect("it takes no more");
    city.lives().await;
    city.holds();
    drop(hostile);
}
