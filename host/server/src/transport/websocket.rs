//! A websocket on a raw TCP socket, after the HTTP upgrade.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use lockgate_relay::driver::violation;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::counted::{self, Count, Counted};
use super::{Inbound, Transport};
use crate::limits;
use crate::policy::Peer;

/// The server's end of a websocket.
pub(crate) struct WebSocket {
    stream: WebSocketStream<Counted>,
    /// Pings read since the answers to those before are known to have gone out.
    pings: usize,
}

impl WebSocket {
    /// Takes over a socket whose upgrade was answered. `read_ahead` are bytes of the peer that came
    /// with its HTTP request.
    pub(crate) async fn new(socket: TcpStream, read_ahead: Vec<u8>) -> WebSocket {
        // One ceiling for frames and messages: tungstenite's own frame default of 16 MiB would
        // refuse messages that the protocol allows. Its write buffer stays bounded because
        // `poll_ready` is asked before every message.
        let config = WebSocketConfig::default()
            .read_buffer_size(limits::READ_BUFFER)
            .write_buffer_size(limits::WRITE_BUFFER)
            .max_message_size(Some(limits::MESSAGE_BYTES))
            .max_frame_size(Some(limits::MESSAGE_BYTES));
        let stream = WebSocketStream::from_partially_read(
            Counted {
                reads: Count::default(),
                socket,
            },
            read_ahead,
            Role::Server,
            Some(config),
        )
        .await;
        WebSocket { stream, pings: 0 }
    }
}

impl Transport for WebSocket {
    const NAME: &'static str = "websocket";

    const PINGS: bool = true;
    const HALF_CLOSES: bool = false;

    fn peer(&self) -> Peer {
        Peer::over(lockgate_policy_gate::Transport::Websocket)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Inbound>>> {
        loop {
            if self.pings >= limits::PINGS_UNSENT {
                if let Err(error) = ready!(Pin::new(&mut self.stream).poll_flush(cx)) {
                    return Poll::Ready(ended(error));
                }
                self.pings = 0;
            }
            let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    if let Some(close) = violation(&error) {
                        // As far as that goes: `poll_close` sees to it that it leaves.
                        let _ = Pin::new(&mut self.stream).start_send(Message::Close(Some(close)));
                        return Poll::Ready(Some(Ok(Inbound::Violation(error.to_string()))));
                    }
                    return Poll::Ready(ended(error));
                }
            };
            return Poll::Ready(Some(Ok(match message {
                Message::Text(text) => Inbound::Message(text),
                Message::Binary(bytes) => match Utf8Bytes::try_from(bytes) {
                    Ok(text) => Inbound::Message(text),
                    Err(_) => Inbound::NotText("the binary frame is not UTF-8"),
                },
                Message::Close(_) => return Poll::Ready(None),
                // Answered by the library.
                Message::Ping(_) => {
                    self.pings += 1;
                    continue;
                }
                Message::Pong(_) | Message::Frame(_) => continue,
            })));
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_ready(cx).map_err(io_error)
    }

    fn start_send(&mut self, message: String) -> io::Result<()> {
        Pin::new(&mut self.stream)
            .start_send(Message::Text(message.into()))
            .map_err(io_error)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(io_error)
    }

    fn start_ping(&mut self) -> io::Result<()> {
        Pin::new(&mut self.stream)
            .start_send(Message::Ping(Bytes::new()))
            .map_err(io_error)
    }

    fn heard(&self) -> Option<u64> {
        Some(counted::heard(self.stream.get_ref()))
    }

    fn has_hung_up(&self) -> bool {
        super::has_hung_up(&self.stream.get_ref().socket)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx).map_err(io_error)
    }
}

/// How a stream's end is told: a peer that went away without good-byes is an end, not an error.
fn ended(error: Error) -> Option<io::Result<Inbound>> {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => None,
        other => Some(Err(io_error(other))),
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
