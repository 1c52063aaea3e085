//! Opening the physical connection: TCP, TLS where the URL says so, and the websocket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, http};
use url::{Host, Url};

use super::carry::websocket_config;
use super::opening::Opening;
use super::{Ahead, Between, FrameSocket, tls};
use crate::limits;

/// What bytes go over.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A websocket for frames, over whatever its URL asked for.
pub type Socket = FrameSocket<Box<dyn Io>>;

/// Why no connection came about. URLs are shown without their query: it holds the signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Not a URL of a websocket.
    #[error("`{0}` is no websocket URL; expected ws://HOST:PORT/… or wss://HOST/…")]
    Url(String),
    /// Nobody there.
    #[error("cannot connect to {url}: {error}")]
    Connect {
        /// Where to.
        url: String,
        /// What the system, or TLS, said.
        error: io::Error,
    },
    /// Somebody is there who takes too long.
    #[error("no connection to {url} within {} s", .after.as_secs())]
    Timeout {
        /// Where to.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server does not want us.
    #[error("{url} answers {status}{words}")]
    Refused {
        /// Where to.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said, with a colon before it.
        words: String,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No websocket over there.
    #[error("{url} does not speak websocket: {reason}")]
    Handshake {
        /// Where to.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

impl DialError {
    /// How long the server wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            DialError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Opens a websocket with `TCP_NODELAY` within [`limits::CONNECT`].
///
/// # Errors
/// [`DialError`].
pub async fn dial(url: &str) -> Result<Socket, DialError> {
    let after = limits::CONNECT;
    timeout(after, dial_frames(url, |io| io))
        .await
        .unwrap_or_else(|_| {
            let url = without_query(url);
            Err(DialError::Timeout { url, after })
        })
}

/// The same in any time, and with something of the caller's between the websocket and what its bytes go over.
///
/// # Errors
/// [`DialError`].
pub async fn dial_frames<S: AsyncRead + AsyncWrite + Unpin>(
    url: &str,
    between: impl FnOnce(Box<dyn Io>) -> S,
) -> Result<FrameSocket<S>, DialError> {
    let (io, shown) = reach(url).await?;
    let io = Between {
        reads: Opening::default(),
        socket: between(io),
    };
    let config = websocket_config();
    let opened = shake((url, config), io, &shown).await?.into_inner();
    let came = opened.reads.into_rest();
    Ok(FrameSocket::new(opened.socket, &came, Role::Client, config))
}

/// The same, for messages of any kind and with other sizes.
///
/// # Errors
/// [`DialError`].
pub async fn dial_with<S: AsyncRead + AsyncWrite + Unpin>(
    url: &str,
    config: WebSocketConfig,
    between: impl FnOnce(Box<dyn Io>) -> S,
) -> Result<WebSocketStream<S>, DialError> {
    let (io, shown) = reach(url).await?;
    shake((url, config), between(Box::new(Ahead::new(io))), &shown).await
}

/// What the bytes go over, and the URL as it may be shown.
async fn reach(url: &str) -> Result<(Box<dyn Io>, String), DialError> {
    let parsed = Url::parse(url).ok();
    let Some((parsed, is_tls)) = parsed.and_then(|url| match url.scheme() {
        "ws" => Some((url, false)),
        "wss" => Some((url, true)),
        _ => None,
    }) else {
        return Err(DialError::Url(without_query(url)));
    };
    let shown = without_query(url);
    Ok((open(&parsed, is_tls, &shown).await?, shown))
}

async fn open(parsed: &Url, is_tls: bool, shown: &str) -> Result<Box<dyn Io>, DialError> {
    let failed = |error| DialError::Connect {
        url: shown.to_owned(),
        error,
    };
    let port = parsed.port_or_known_default().unwrap_or(80);
    let socket = match parsed.host() {
        Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
        Some(Host::Ipv4(address)) => TcpStream::connect((address, port)).await,
        Some(Host::Ipv6(address)) => TcpStream::connect((address, port)).await,
        None => return Err(DialError::Url(shown.to_owned())),
    }
    .map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    Ok(if is_tls {
        let host = parsed.host_str().unwrap_or_default();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| failed(io::Error::other(error)))?;
        let connector = TlsConnector::from(trust().map_err(failed)?);
        let secured = connector.connect(name, socket).await.map_err(|error| {
            let reason = tls::reason(&error, tls::WEBSOCKET);
            failed(match reason {
                Some(reason) => io::Error::new(error.kind(), reason),
                None => error,
            })
        });
        Box::new(secured?)
    } else {
        Box::new(socket)
    })
}

async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    (url, config): (&str, WebSocketConfig),
    io: S,
    shown: &str,
) -> Result<WebSocketStream<S>, DialError> {
    match tokio_tungstenite::client_async_with_config(url, io, Some(config)).await {
        Ok((socket, _response)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(refused(shown, &response)),
        Err(error) => Err(DialError::Handshake {
            url: shown.to_owned(),
            reason: match &error {
                tungstenite::Error::Protocol(ProtocolError::HttparseError(parse))
                    if url.starts_with(tls::WEBSOCKET.plain) =>
                {
                    tls::no_http(parse, tls::WEBSOCKET)
                }
                error => error.to_string(),
            },
        }),
    }
}

fn refused(url: &str, response: &http::Response<Option<Vec<u8>>>) -> DialError {
    let body = response.body().as_deref().unwrap_or_default();
    let words = crate::registry::preview(body);
    DialError::Refused {
        url: url.to_owned(),
        status: response.status().as_u16(),
        words: if words.is_empty() {
            words
        } else {
            format!(": {words}")
        },
        retry_after: crate::registry::retry_after(response.headers()),
    }
}

/// The system's certificates; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
pub(crate) fn trust() -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::debug!(%error, "a certificate of the system cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        return Err(io::Error::other(
            "this machine has no certificates to trust (install ca-certificates, or name a file with SSL_CERT_FILE)",
        ));
    }
    config(roots)
}

/// Nobody's certificates.
pub(crate) fn no_trust() -> io::Result<Arc<ClientConfig>> {
    config(RootCertStore::empty())
}

fn config(roots: RootCertStore) -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A URL as it may be shown: without user, password, query and fragment.
pub fn without_query(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            // Both fail only for URLs that can have neither.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.into()
        }
        Err(_) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_query;

    #[test]
    fn urls_are_shown_without_what_is_secret() {
        for (url, shown) in [
            ("wss://h/r?role=harness&signature=SECRET#x", "wss://h/r"),
            ("ws://me:SECRET@h:1/r", "ws://h:1/r"),
            ("no url?signature=SECRET", "no url"),
        ] {
            assert_eq!(without_query(url), shown);
        }
    }
}
