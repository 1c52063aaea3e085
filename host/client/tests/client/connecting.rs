//! Connections that do not come about: what is told of it.

use std::time::Duration;

use lockgate_client::{Awaited, Client, ClientError, ConnectOptions};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Door, connect, one_link, soon};

#[tokio::test]
async fn no_time_for_a_connection_is_told_also_where_there_would_be_none() {
    // All that fail at once, so that either could be told.
    for url in ["ws://127.0.0.1:1", "ws://[::1]:1", "nonsense"] {
        let options = ConnectOptions {
            connect_timeout: Duration::ZERO,
            ..one_link()
        };
        let error = soon(Client::connect_ws(url, options))
            .await
            .expect_err("no time");
        assert!(
            matches!(error, ClientError::Timeout { of: Awaited::Connection { .. }, after } if after.is_zero()),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn no_time_for_the_handshake_or_a_call_is_told_however_quick_the_server_is() {
    let door = Door::open().await;
    let options = ConnectOptions {
        initialize_timeout: Duration::ZERO,
        ..one_link()
    };
    let connecting = Client::connect_ws(&door.url, options);
    let (connected, mut peer) = tokio::join!(soon(connecting), door.accept());
    let error = connected.expect_err("no time");
    let said = soon(peer.left()).await;
    assert_eq!(said, 0, "nothing is begun");
    assert!(
        matches!(&error, ClientError::Timeout { of: Awaited::Handshake { .. }, after } if after.is_zero()),
        "{error}"
    );
    let options = ConnectOptions {
        call_timeout: Some(Duration::ZERO),
        ..one_link()
    };
    let (client, _peer) = door.client(options).await;
    let error = soon(client.status()).await.expect_err("no time");
    assert!(
        matches!(&error, ClientError::Timeout { of: Awaited::Turn { .. }, after } if after.is_zero()),
        "{error}"
    );
    assert!(error.to_string().contains("leaves no time"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_a_connect_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("bound"));
    drop(listener);
    for url in [
        url.as_str(),
        "http://127.0.0.1:1",
        "ws://",
        "nonsense",
        "wss://127.0.0.1:1",
    ] {
        let error = soon(connect(url)).await.expect_err(url);
        assert!(
            matches!(error, ClientError::Connect { .. }),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn a_web_server_that_opens_no_websocket_is_told_as_one() {
    let door = Door::open().await;
    let answer = async {
        let mut stream = door.accept_raw().await;
        let asked = stream.read(&mut [0; 4096]).await.expect("asked");
        assert_ne!(asked, 0);
        let hello = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        stream.write_all(hello).await.expect("answered");
        stream
    };
    let (connected, _stream) = tokio::join!(soon(connect(&door.url)), answer);
    let error = connected.expect_err("no websocket").to_string();
    assert!(
        error.contains("is a web server and opens no websocket"),
        "{error}"
    );
}
