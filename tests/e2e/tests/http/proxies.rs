//! Proxies of the environment: a tunnel for https, SOCKS with names and with addresses, and what no proxy is asked for.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use lockgate_e2e::origin::{Origin, ok};
use lockgate_e2e::{Server, Wire, reserved};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{body, get, tls};

/// What it was asked for, each.
type Asked = Arc<Mutex<Vec<String>>>;

/// A proxy that leads everybody to this port, whatever they ask for.
async fn proxy(speaks: Speaks, leads_to: u16) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Asked::default();
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let what = match speaks {
                    Speaks::Connect => connect(&mut client).await,
                    Speaks::Socks => socks(&mut client).await,
                };
                kept.lock().expect("not poisoned").push(what);
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, leads_to))
                    .await
                    .expect("the server");
                // Ends with either end.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, asked)
}

#[derive(Clone, Copy)]
enum Speaks {
    Connect,
    Socks,
}

/// The request's line, and with whose credentials.
async fn connect(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.expect("a request"));
    }
    let head = String::from_utf8(head).expect("text");
    client
        .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
        .await
        .expect("answered");
    let (line, fields) = head.split_once("\r\n").expect("a line");
    let lower = fields.to_ascii_lowercase();
    let credentials = lower.find("proxy-authorization: ").map(|at| {
        let value = &fields[at + "proxy-authorization: ".len()..];
        value.lines().next().expect("a value").to_owned()
    });
    format!("{line} {}", credentials.unwrap_or_default())
}

/// The address, which may be a name (RFC 1928).
async fn socks(client: &mut TcpStream) -> String {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.expect("a greeting");
    let mut methods = vec![0; usize::from(greeting[1])];
    client.read_exact(&mut methods).await.expect("methods");
    client.write_all(&[5, 0]).await.expect("answered");
    let mut request = [0; 4];
    client.read_exact(&mut request).await.expect("a request");
    assert_eq!(request[..3], [5, 1, 0], "to connect");
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await.expect("an address");
            format!("address {}", Ipv4Addr::from(address))
        }
        3 => {
            let mut name = vec![0; usize::from(client.read_u8().await.expect("a length"))];
            client.read_exact(&mut name).await.expect("a name");
            format!("name {}", String::from_utf8(name).expect("text"))
        }
        other => panic!("an address of the kind {other}"),
    };
    let port = client.read_u16().await.expect("a port");
    let done = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    client.write_all(&done).await.expect("answered");
    format!("{host} {port}")
}

/// What a server with this variable gets.
async fn answered(
    mut command: std::process::Command,
    variable: (&str, String),
    url: &str,
) -> String {
    command.env(variable.0, variable.1);
    let server = Server::from_command(command);
    let mut wire = Wire::ready(&server).await;
    let result = wire.call("http/request", get(url)).await;
    body(&result.expect("answered"))
}

fn only(asked: &Asked) -> String {
    let asked = asked.lock().expect("not poisoned");
    assert_eq!(asked.len(), 1, "{asked:?}");
    asked[0].clone()
}

#[tokio::test]
async fn https_goes_through_a_tunnel_with_the_proxys_own_credentials() {
    let (port, pem) = tls::server(&["h2"]).await;
    let (proxy, asked) = proxy(Speaks::Connect, port).await;
    let (command, _held) = tls::trusting(&pem, "SSL_CERT_FILE");
    let through = ("HTTPS_PROXY", format!("http://me:secret@127.0.0.1:{proxy}"));
    // The name is the proxy's to look up; whom it leads to has to be vouched for all the same.
    let url = "https://localhost:1234/a";
    assert_eq!(answered(command, through, url).await, "HTTP/2.0 /a 0");
    assert_eq!(
        only(&asked),
        "CONNECT localhost:1234 HTTP/1.1 Basic bWU6c2VjcmV0"
    );
}

#[tokio::test]
async fn a_socks_proxy_is_told_names_or_addresses_as_its_url_says() {
    let origin = Origin::new(|asked| ok(&format!("by socks: {}", asked.what()))).await;
    for (scheme, url, what) in [
        ("socks5h", "http://name.invalid/", "name name.invalid 80"),
        (
            "socks5h",
            "http://198.51.100.7:8080/",
            "address 198.51.100.7 8080",
        ),
        (
            "socks5",
            "http://198.51.100.7:8080/",
            "address 198.51.100.7 8080",
        ),
    ] {
        let (proxy, asked) = proxy(Speaks::Socks, origin.port()).await;
        let through = ("ALL_PROXY", format!("{scheme}://127.0.0.1:{proxy}"));
        assert_eq!(
            answered(Server::command(), through, url).await,
            "by socks: GET /"
        );
        assert_eq!(only(&asked), what);
    }
}

#[tokio::test]
async fn attack_32_no_name_goes_past_the_rules_to_a_proxy_that_is_told_addresses() {
    let origin = Origin::new(|_| ok("reached")).await;
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("lockgate.toml");
    let rules = "[http]\nprivate = \"deny\"\nloopback = \"deny\"\nproxy = \"environment\"\n";
    std::fs::write(&file, rules).expect("written");
    for (scheme, is_refused) in [("socks5", true), ("socks4", true), ("socks5h", false)] {
        let (proxy, asked) = proxy(Speaks::Socks, origin.port()).await;
        let mut command = Server::command();
        command
            .arg("--config")
            .arg(&file)
            .env("ALL_PROXY", format!("{scheme}://127.0.0.1:{proxy}"));
        let server = Server::from_command(command);
        let mut wire = Wire::ready(&server).await;
        // Here it leads to this machine.
        let outcome = wire
            .call("http/request", get("http://localhost:1234/"))
            .await;
        match outcome {
            Ok(result) => assert_eq!((body(&result).as_str(), is_refused), ("reached", false)),
            Err(refusal) => {
                assert!(is_refused, "{refusal:?}");
                assert!(
                    refusal.message.contains("past its rules about addresses"),
                    "{refusal:?}"
                );
            }
        }
        assert_eq!(asked.lock().expect("not poisoned").is_empty(), is_refused);
    }
}

#[tokio::test]
async fn no_proxy_is_asked_for_what_is_loopback_by_its_address() {
    let origin = Origin::new(|_| ok("direct")).await;
    let (proxy, asked) = proxy(Speaks::Socks, origin.port()).await;
    for (name, scheme) in [("ALL_PROXY", "socks5h"), ("http_proxy", "http")] {
        for url in [
            origin.url("/"),
            origin.url("/").replace("127.0.0.1", "0x7f.1"),
        ] {
            let through = (name, format!("{scheme}://127.0.0.1:{proxy}"));
            assert_eq!(answered(Server::command(), through, &url).await, "direct");
        }
    }
    assert!(asked.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_as_one_without_its_credentials() {
    let closed = reserved();
    let mut command = Server::command();
    command.env("HTTP_PROXY", format!("http://me:s3cret@{closed}"));
    let server = Server::from_command(command);
    let mut wire = Wire::ready(&server).await;
    let url = "http://name.invalid/";
    let failure = wire.call("http/request", get(url)).await;
    let failure = failure.expect_err("nobody is there").message;
    let beginning =
        "http/request failed: by way of a proxy that the executor's environment names: ";
    assert!(failure.starts_with(beginning), "{failure}");
    assert!(!failure.contains("s3cret"), "{failure}");
    // Not so what goes through none.
    let url = format!("http://{closed}/");
    let failure = wire.call("http/request", get(url)).await;
    let failure = failure.expect_err("nobody is there").message;
    assert!(!failure.contains("proxy"), "{failure}");
}
