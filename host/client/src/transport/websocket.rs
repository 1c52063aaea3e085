//! Over a websocket: one message a text frame.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use lockgate_wire::limits::MESSAGE_BYTES;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Receive, Send};
use crate::{ClientError, limits};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects with TCP_NODELAY: without it an answer waits for the delayed ack of the message before.
pub(crate) async fn connect(
    url: &str,
) -> Result<(SplitStream<Socket>, SplitSink<Socket, Message>), ClientError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::READ_BUFFER)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .max_write_buffer_size(2 * MESSAGE_BYTES);
    let (socket, _response) = tokio_tungstenite::connect_async_with_config(url, Some(config), true)
        .await
        .map_err(|error| ClientError::Connect {
            url: url.to_owned(),
            reason: reason(error),
        })?;
    let (sink, stream) = socket.split();
    Ok((stream, sink))
}

impl Receive for SplitStream<Socket> {
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

impl Send for SplitSink<Socket, Message> {
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
