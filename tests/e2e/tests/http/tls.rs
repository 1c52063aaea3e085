//! TLS with an authority of one's own, HTTP/2, and what of it all is logged.

use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lockgate_e2e::{Server, Wire};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{body, get, rest, with};

/// A server for https://localhost, and the authority that signed for it, in PEM.
pub(crate) async fn server(protocols: &[&str]) -> (u16, String) {
    let key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).expect("signed").pem();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = certificate.signed_by(&own, &issuer).expect("signed");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let own = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], own)
        .expect("a certificate");
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(socket) = acceptor.accept(socket).await else {
                    return;
                };
                let is_h2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
                let (io, service) = (TokioIo::new(socket), service_fn(answer));
                let _ = match is_h2 {
                    true => {
                        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(io, service)
                            .await
                    }
                    false => {
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(io, service)
                            .await
                    }
                };
            });
        }
    });
    (port, pem)
}

/// Says by which version it was asked, and what.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (version, path) = (request.version(), request.uri().path().to_owned());
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let text = format!("{version:?} {path} {}", body.len());
    Ok(Response::builder()
        .header("x-secret", "s3cret")
        .body(Full::new(text.into()))
        .expect("an answer"))
}

/// A server's command that trusts it by that variable.
pub(crate) fn trusting(pem: &str, variable: &str) -> (std::process::Command, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, pem).expect("written");
    let mut command = Server::command();
    command.env(variable, file);
    (command, directory)
}

#[tokio::test]
async fn https_is_spoken_as_both_sides_can_with_a_bundle_of_the_environments() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0"),
        (&["http/1.1"], "HTTP/1.1"),
        (&[], "HTTP/1.1"),
    ] {
        let (port, pem) = server(protocols).await;
        for variable in [
            "LOCKGATE_CA_CERTIFICATE",
            "CODEX_CA_CERTIFICATE",
            "SSL_CERT_FILE",
        ] {
            let (command, _held) = trusting(&pem, variable);
            let server = Server::from_command(command);
            let mut wire = Wire::ready(&server).await;
            let params = with(
                get(format!("https://localhost:{port}/a")),
                json!({"method": "POST", "bodyBase64": "Ym9keQ=="}),
            );
            let result = wire
                .call("http/request", params.clone())
                .await
                .expect("answered");
            assert_eq!(body(&result), format!("{version} /a 4"));
            wire.call(
                "http/request",
                with(params, json!({"streamResponse": true})),
            )
            .await
            .expect("answered");
            assert_eq!(
                rest(&mut wire, "r").await,
                (format!("{version} /a 4").into_bytes(), None)
            );
        }
    }
}

#[tokio::test]
async fn who_is_not_vouched_for_is_not_spoken_to() {
    let (port, pem) = server(&["h2"]).await;
    let (_, other) = server(&[]).await;
    let (command, _held) = trusting(&other, "SSL_CERT_FILE");
    let stranger = Server::from_command(command);
    let mut wire = Wire::ready(&stranger).await;
    let failure = wire
        .call(
            "http/request",
            get(format!("https://localhost:{port}/?s3cret")),
        )
        .await
        .expect_err("refused");
    assert_eq!(failure.code, -32603);
    assert!(
        failure.message.contains("certificate") && !failure.message.contains("s3cret"),
        "{failure:?}"
    );
    // Not by another name either.
    let (command, _held) = trusting(&pem, "SSL_CERT_FILE");
    let known = Server::from_command(command);
    let mut wire = Wire::ready(&known).await;
    wire.call("http/request", get(format!("https://localhost:{port}/")))
        .await
        .expect("answered");
    wire.call("http/request", get(format!("https://127.0.0.1:{port}/")))
        .await
        .expect_err("refused");
    // A bundle that is not there is told, and http goes on.
    let mut command = Server::command();
    command.env("LOCKGATE_CA_CERTIFICATE", "/nowhere/ca.pem");
    let server = Server::from_command(command);
    let mut wire = Wire::ready(&server).await;
    let failure = wire
        .call("http/request", get(format!("https://localhost:{port}/")))
        .await
        .expect_err("refused");
    assert!(
        failure.message.contains("LOCKGATE_CA_CERTIFICATE"),
        "{failure:?}"
    );
    let plain = crate::origin::Origin::new(|_| crate::origin::ok("plain")).await;
    let result = wire
        .call("http/request", get(plain.url("/")))
        .await
        .expect("answered");
    assert_eq!(body(&result), "plain");
}

#[tokio::test]
async fn a_server_without_tls_is_told_as_one() {
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = plain.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = plain.accept().await {
            // Something came, and it was no request.
            let _ = socket.read(&mut [0; 1024]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let (_, pem) = server(&["h2"]).await;
    let (command, _held) = trusting(&pem, "SSL_CERT_FILE");
    let server = Server::from_command(command);
    let mut wire = Wire::ready(&server).await;
    let url = format!("https://127.0.0.1:{port}/");
    let failure = wire.call("http/request", get(url)).await;
    let failure = failure.expect_err("no TLS").message;
    let end = "; what answers there does not speak TLS: if that is meant to be so, ask by http://";
    assert!(failure.ends_with(end), "{failure}");
}

#[tokio::test]
async fn attack_29_nothing_of_what_is_asked_for_is_logged() {
    let (port, pem) = server(&["h2"]).await;
    let plain = crate::origin::Origin::new(|asked| match asked.what() {
        "GET /away?q=s3cret" => crate::origin::to(302, "/there?q=s3cret"),
        _ => crate::origin::ok("s3cret"),
    })
    .await;
    let (mut command, held) = trusting(&pem, "SSL_CERT_FILE");
    let log = held.path().join("log");
    let config = held.path().join("lockgate.toml");
    std::fs::write(
        &config,
        "[http]\ndeny_hosts = [\"denied.example\"]\nheader_env_vars = [\"TOKEN\"]\n",
    )
    .expect("written");
    command.arg("--config").arg(&config);
    command
        .env("LOCKGATE_LOG", "trace")
        .env("TOKEN", "s3cret")
        .stderr(File::create(&log).expect("a file"));
    let mut server = Server::from_command(command);
    let mut wire = Wire::ready(&server).await;
    let members = json!({
        "method": "POST", "bodyBase64": base64_simd::STANDARD.encode_to_string("s3cret"),
        "headers": [{"name": "authorization", "value": "Bearer s3cret"}, {"name": "x-own", "value": "s3cret"}, {"name": "x-env", "value": "", "valueEnvVar": "TOKEN"}],
    });
    let password = |scheme: &str, port: u16| {
        format!("{scheme}://user:s3cret@localhost:{port}/s3cret?token=s3cret#s3cret")
    };
    let streamed = json!({"streamResponse": true});
    wire.call(
        "http/request",
        with(get(password("https", port)), members.clone()),
    )
    .await
    .expect("answered");
    wire.call(
        "http/request",
        with(get(password("http", plain.port())), members),
    )
    .await
    .expect("answered");
    wire.call(
        "http/request",
        with(get(plain.url("/away?q=s3cret")), streamed),
    )
    .await
    .expect("answered");
    rest(&mut wire, "r").await;
    for url in [
        password("https", 1),
        password("http", 1),
        "http://denied.example/?s3cret".to_owned(),
        "http://name.invalid/?s3cret".to_owned(),
    ] {
        wire.call("http/request", get(url))
            .await
            .expect_err("a failure");
    }
    drop(wire);
    server.signal(Signal::TERM);
    server.wait();
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(
        log.contains("an http request was answered") && log.contains("an http request failed"),
        "{log}"
    );
    let told: Vec<_> = log.lines().filter(|line| line.contains("s3cret")).collect();
    assert!(told.is_empty(), "{told:#?}");
}
