//! The HTTP front of the websocket listener: the upgrade, liveness and readiness.
//!
//! Only `/` upgrades. A request with an `Origin` header comes from a browser and is refused, whatever
//! its value: no client of this protocol sends one, and a web page must not reach a local executor
//! (attack 29 of docs/attacks.md). `Host` is not looked at. It would tell a page whose name was made to lead here from a
//! client, but such a page has no way in either: its websockets have an `Origin`, and what it may ask without one answers
//! nothing. Proxies and forwarded ports bring clients under any name. After the upgrade the raw socket is taken back from hyper, so
//! that a connection carries no HTTP layers for the rest of its life.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use lockgate_relay::driver::{NoUpgrade, accept_key};
use tokio::net::TcpStream;

use super::WebSocket;
use crate::limits;

/// Answers the HTTP requests of one socket; a socket that upgrades is given to `connected`.
pub(crate) async fn serve_http<F, R>(socket: TcpStream, connected: F)
where
    F: Fn(WebSocket) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(request, connected.clone());
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::REQUEST_HEAD)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    // A websocket is served by a task of its own.
    match tokio::time::timeout(limits::HTTP_LIFE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "http connection ended"),
        Err(_) => tracing::debug!("http connection ended: it took too long"),
    }
}

fn answer<F, R>(request: Request<Incoming>, connected: F) -> Response<Full<Bytes>>
where
    F: Fn(WebSocket) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    if request.headers().contains_key(header::ORIGIN) {
        return refusal(
            StatusCode::FORBIDDEN,
            "requests with an Origin header are refused\n",
        );
    }
    match request.uri().path() {
        "/readyz" | "/livez" if matches!(*request.method(), Method::GET | Method::HEAD) => {
            Response::new(Full::default())
        }
        "/readyz" | "/livez" => refusal(StatusCode::METHOD_NOT_ALLOWED, "use GET\n"),
        "/" => upgrade(request, connected),
        _ => refusal(
            StatusCode::NOT_FOUND,
            "there is `/` (websocket), `/readyz` and `/livez`\n",
        ),
    }
}

fn upgrade<F, R>(request: Request<Incoming>, connected: F) -> Response<Full<Bytes>>
where
    F: Fn(WebSocket) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(why @ NoUpgrade::NoKey) => return refusal(StatusCode::BAD_REQUEST, format!("{why}\n")),
        Err(why) => {
            let mut response = refusal(StatusCode::UPGRADE_REQUIRED, format!("{why}\n"));
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            if why == NoUpgrade::Version {
                let version = HeaderValue::from_static("13");
                headers.insert(header::SEC_WEBSOCKET_VERSION, version);
            }
            return response;
        }
    };
    tokio::spawn(async move {
        let upgraded = match hyper::upgrade::on(request).await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "the upgrade did not complete"),
        };
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => {
                let socket = parts.io.into_inner();
                connected(WebSocket::new(socket, parts.read_buf.to_vec()).await).await;
            }
            Err(_) => tracing::error!("an upgraded connection was not the TCP socket it began as"),
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn refusal(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}
