//! Over a websocket, with TLS where its URL says so: one message a text frame.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use lockgate_relay::driver::{DialError, Io, dial_with, without_query};
use lockgate_wire::limits::MESSAGE_BYTES;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::target::Undialled;
use super::{Receive, Send};
use crate::{ClientError, limits};

/// Both ends of a websocket over some stream.
type Halves<S> = (
    SplitStream<WebSocketStream<S>>,
    SplitSink<WebSocketStream<S>, Message>,
);

/// Connects with TCP_NODELAY: without it an answer waits for the delayed ack of the message before.
pub(crate) async fn connect(url: &str) -> Result<Halves<MaybeTlsStream<TcpStream>>, Undialled> {
    let (socket, _response) =
        tokio_tungstenite::connect_async_with_config(url, Some(config()), true)
            .await
            .map_err(|error| {
                let status = match &error {
                    tungstenite::Error::Http(answer) => Some(answer.status().as_u16()),
                    _ => None,
                };
                failed(url, status, reason(error))
            })?;
    let (sink, stream) = socket.split();
    Ok((stream, sink))
}

/// The same over TLS, for `wss://`: the certificate has to be one that this machine trusts.
pub(crate) async fn connect_tls(url: &str) -> Result<Halves<Box<dyn Io>>, Undialled> {
    let socket = dial_with(url, config()).await.map_err(|error| {
        let status = match &error {
            DialError::Refused { status, .. } => Some(*status),
            _ => None,
        };
        let reason = match error {
            DialError::Connect { error, .. } => error.to_string(),
            DialError::Refused { status, words, .. } => format!("it answers {status}{words}"),
            DialError::Handshake { reason, .. } => format!("the handshake failed: {reason}"),
            error => error.to_string(),
        };
        failed(url, status, reason)
    })?;
    let (sink, stream) = socket.split();
    Ok((stream, sink))
}

/// Whether it asks for TLS.
pub(crate) fn is_tls(url: &str) -> bool {
    let scheme = url.get(..6);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("wss://"))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(limits::READ_BUFFER)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .max_write_buffer_size(2 * MESSAGE_BYTES)
}

fn failed(url: &str, status: Option<u16>, reason: String) -> Undialled {
    Undialled {
        error: ClientError::Connect {
            url: without_query(url),
            reason,
        },
        // What else a proxy in front of a server says that is being started again may pass.
        is_final: matches!(status, Some(401 | 403)),
    }
}

impl<S> Receive for SplitStream<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + std::marker::Send + 'static,
{
    async fn receive(&mut self) -> Result<Option<Utf8Bytes>, String> {
        loop {
            return match self.next().await {
                None | Some(Ok(Message::Close(_))) => Ok(None),
                Some(Ok(Message::Text(text))) => Ok(Some(text)),
                Some(Ok(Message::Binary(bytes))) => Utf8Bytes::try_from(bytes)
                    .map(Some)
                    .map_err(|_| "a binary message is not UTF-8".to_owned()),
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(
                    tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed,
                )) => Ok(None),
                Some(Err(error)) => Err(reason(error)),
            };
        }
    }
}

impl<S> Send for SplitSink<WebSocketStream<S>, Message>
where
    S: AsyncRead + AsyncWrite + Unpin + std::marker::Send + 'static,
{
    async fn feed(&mut self, message: String) -> Result<(), String> {
        SinkExt::feed(self, Message::text(message))
            .await
            .map_err(reason)
    }

    async fn flush(&mut self) -> Result<(), String> {
        SinkExt::flush(self).await.map_err(reason)
    }

    async fn close(&mut self) {
        let _ = timeout(limits::GOODBYE, SinkExt::close(self)).await;
    }
}

fn reason(error: tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Io(error) => error.to_string(),
        tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => "the server is gone without a goodbye".to_owned(),
        error => error.to_string(),
    }
}
