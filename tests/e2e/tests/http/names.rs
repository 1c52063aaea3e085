//! Names whose addresses change between one look and the next. Names go to the system's resolver, so the server runs in a network of its own, in which a
//! server of names of the test's answers: at an address of the Internet there is a web server that anybody may reach, at 127.0.0.1 one that nobody may.

use std::net::Ipv4Addr;

use lockgate_e2e::Said::{Alias, At};
use lockgate_e2e::{Names, Refusal, Script, Server, Wire, with_network};
use serde_json::Value;

use crate::origin::{Asked, Origin, ok, to};
use crate::{body, configured, get};

/// An address that is anybody's, and in this network the test's.
const OUTSIDE: &str = "93.184.216.34";
/// Another one, at which nothing listens.
const CLOSED: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 35);
const DENIED: &str = "[http]\nloopback = \"deny\"\nlink_local = \"deny\"\nprivate = \"deny\"\n";

const SCRIPT: Script = &[
    ("inside.example", &[&[At("127.0.0.1")]]),
    ("turns.example", &[&[At(OUTSIDE)], &[At("127.0.0.1")]]),
    ("turns-back.example", &[&[At("127.0.0.1")], &[At(OUTSIDE)]]),
    ("hops.example", &[&[At(OUTSIDE)], &[At("127.0.0.1")]]),
    (
        "alias.example",
        &[
            &[Alias("a.example"), Alias("b.example"), At("127.0.0.1")],
            &[Alias("a.example"), Alias("b.example"), At(OUTSIDE)],
            &[Alias("a.example"), Alias("localhost"), At("127.0.0.1")],
        ],
    ),
    (
        "both.example",
        &[&[At("127.0.0.1"), At(OUTSIDE), At("::1")]],
    ),
    ("both-again.example", &[&[At(OUTSIDE), At("127.0.0.1")]]),
    (
        "closed.example",
        &[&[At("93.184.216.35"), At("127.0.0.1"), At("10.0.0.1")]],
    ),
    ("mapped.example", &[&[At("::ffff:127.0.0.1")]]),
    ("translated.example", &[&[At("64:ff9b::7f00:1"), At("::1")]]),
];

/// What the tests find in their network.
struct Place {
    names: Names,
    inside: Origin,
    outside: Origin,
    _held: tempfile::TempDir,
}

/// Runs the body there.
fn there<F: Future<Output = ()>>(body: impl FnOnce(Place) -> F) {
    let held = tempfile::tempdir().expect("a directory");
    let names = Names::new(held.path(), SCRIPT);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let inside = Origin::at("127.0.0.1:8080", |_| ok("inside").into_bytes()).await;
        let outside = Origin::at(&format!("{OUTSIDE}:8080"), |asked: &Asked| {
            let answer = match asked.what() {
                "GET /hop" => to(302, "http://hops.example:8080/end"),
                "GET /in" => to(307, "http://inside.example:8080/"),
                _ => ok("outside"),
            };
            // Nothing is kept for the next request, which has to look again.
            answer
                .replacen("\r\n", "\r\nconnection: close\r\n", 1)
                .into_bytes()
        })
        .await;
        body(Place {
            names,
            inside,
            outside,
            _held: held,
        })
        .await;
    });
}

fn addresses() -> [Ipv4Addr; 2] {
    [OUTSIDE.parse().expect("an address"), CLOSED]
}

async fn asked(wire: &mut Wire, url: &str) -> Result<String, Refusal> {
    let answer: Result<Value, Refusal> = wire.call("http/request", get(url)).await;
    answer.map(|result| body(&result))
}

#[track_caller]
fn by_the_rules(answer: Result<String, Refusal>) {
    let refusal = answer.expect_err("refused");
    assert!(
        refusal.message.contains("[http] rules refuse"),
        "{refusal:?}"
    );
    assert!(!refusal.message.contains("127.0"), "{refusal:?}");
}

#[test]
fn without_rules_a_name_leads_where_the_server_of_names_says() {
    with_network(&addresses(), || {
        there(async |place| {
            let server = Server::start();
            let mut wire = Wire::ready(&server).await;
            let url = "http://inside.example:8080/";
            assert_eq!(asked(&mut wire, url).await, Ok("inside".to_owned()));
            let url = "http://turns.example:8080/";
            assert_eq!(asked(&mut wire, url).await, Ok("outside".to_owned()));
            assert_eq!(asked(&mut wire, url).await, Ok("inside".to_owned()));
            assert_eq!(
                (place.inside.asked().len(), place.outside.asked().len()),
                (2, 1)
            );
        });
    });
}

#[test]
fn attack_32_a_name_that_changes_its_address_is_held_to_the_one_that_was_looked_at() {
    with_network(&addresses(), || {
        there(async |place| {
            let (server, _held) = configured(DENIED);
            let mut wire = Wire::ready(&server).await;
            // Public when it is looked at, and inside a moment later: connected to as it was.
            let url = "http://turns.example:8080/";
            assert_eq!(asked(&mut wire, url).await, Ok("outside".to_owned()));
            assert_eq!(place.names.asked("turns.example"), 1);
            by_the_rules(asked(&mut wire, url).await);
            assert_eq!(place.names.asked("turns.example"), 2);
            // The other way round.
            let url = "http://turns-back.example:8080/";
            by_the_rules(asked(&mut wire, url).await);
            assert_eq!(asked(&mut wire, url).await, Ok("outside".to_owned()));
            // Between the first hop and the second.
            let url = "http://hops.example:8080/hop";
            by_the_rules(asked(&mut wire, url).await);
            assert_eq!(place.names.asked("hops.example"), 2);
            by_the_rules(asked(&mut wire, "http://both.example:8080/in").await);
            let outside: Vec<_> = place.outside.asked();
            let outside: Vec<_> = outside.iter().map(Asked::what).collect();
            assert_eq!(outside, ["GET /", "GET /", "GET /hop", "GET /in"]);
            assert_eq!(place.inside.connections(), 0);
        });
    });
}

#[test]
fn attack_32_of_what_a_name_leads_to_nothing_inside_is_connected_to() {
    with_network(&addresses(), || {
        there(async |place| {
            let (server, _held) = configured(DENIED);
            let mut wire = Wire::ready(&server).await;
            // By whatever names it is reached.
            let url = "http://alias.example:8080/";
            by_the_rules(asked(&mut wire, url).await);
            assert_eq!(asked(&mut wire, url).await, Ok("outside".to_owned()));
            by_the_rules(asked(&mut wire, url).await);
            // Of several addresses, in either order, those that pass.
            for name in ["both.example", "both-again.example"] {
                let url = format!("http://{name}:8080/");
                assert_eq!(asked(&mut wire, &url).await, Ok("outside".to_owned()));
            }
            // Where those that pass do not answer, the others are not tried instead.
            let closed = asked(&mut wire, "http://closed.example:8080/").await;
            let closed = closed.expect_err("nobody is there");
            assert!(!closed.message.contains("rules refuse"), "{closed:?}");
            // IPv6 addresses that are, or carry, such an address.
            for name in ["mapped.example", "translated.example"] {
                by_the_rules(asked(&mut wire, &format!("http://{name}:8080/")).await);
            }
            assert_eq!(place.inside.connections(), 0);
            assert_eq!(place.outside.connections(), 3);
        });
    });
}
