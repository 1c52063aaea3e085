//! Over a websocket, with TLS where its URL says so: one message a text frame.
//!
//! One that goes silent is pinged, and lost when that brings nothing either ([`limits::SILENCE`]): of a link whose other end is out of reach nobody else tells.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use lockgate_relay::driver::{DialError, Io, dial_with, without_query};
use lockgate_wire::limits::MESSAGE_BYTES;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use super::heard::{self, Ear, Heard, Silence};
use super::target::Undialled;
use super::{Receive, Received, Send};
use crate::{ClientError, limits};

/// The half that reads.
pub(crate) struct Reader<S> {
    stream: SplitStream<WebSocketStream<Heard<S>>>,
    ear: Ear,
    silence: Silence,
}

/// The half that writes.
pub(crate) struct Writer<S> {
    sink: SplitSink<WebSocketStream<Heard<S>>, Message>,
    ear: Ear,
    pinged: Instant,
}

/// Connects; over TLS the certificate has to be one that this machine trusts. `silence` is told while nothing is heard.
pub(crate) async fn connect(
    url: &str,
    silence: &Silence,
) -> Result<(Reader<Box<dyn Io>>, Writer<Box<dyn Io>>), Undialled> {
    let ear = Ear::new();
    let socket = dial_with(url, config(), |io| ear.at(io)).await;
    let socket = socket.map_err(|error| {
        let status = match &error {
            DialError::Refused { status, .. } => Some(*status),
            _ => None,
        };
        let reason = match error {
            DialError::Connect { error, .. } => error.to_string(),
            // A web server that knows nothing of websockets.
            DialError::Refused {
                status: 200..300, ..
            } => "what answers there is a web server and opens no websocket: is it the executor's address?".to_owned(),
            DialError::Refused { status, words, .. } => format!("it answers {status}{words}"),
            DialError::Handshake { reason, .. } => format!("the handshake failed: {reason}"),
            error => error.to_string(),
        };
        Undialled {
            error: ClientError::Connect {
                url: without_query(url),
                reason,
            },
            // What else a proxy in front of a server says that is being started again may pass.
            is_final: matches!(status, Some(401 | 403)),
        }
    })?;
    Ok(halves(socket, ear, silence.clone()))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(limits::READ_BUFFER)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .max_write_buffer_size(2 * MESSAGE_BYTES)
}

fn halves<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<Heard<S>>,
    ear: Ear,
    silence: Silence,
) -> (Reader<S>, Writer<S>) {
    let (sink, stream) = socket.split();
    let reader = Reader {
        stream,
        ear: ear.clone(),
        silence,
    };
    let pinged = Instant::now();
    (reader, Writer { sink, ear, pinged })
}

impl<S> Receive for Reader<S>
where
    S: AsyncRead + AsyncWrite + Unpin + std::marker::Send + 'static,
{
    async fn receive(&mut self) -> Result<Option<Received>, String> {
        let telling = heard::tell(&self.ear, limits::UNHEARD, &self.silence);
        let mut telling = std::pin::pin!(telling);
        loop {
            let message = tokio::select! {
                // What has come counts, however late it is looked at.
                biased;
                message = self.stream.next() => message,
                never = &mut telling => match never {},
                () = self.ear.silent_for(limits::SILENCE) => {
                    let seconds = limits::SILENCE.as_secs();
                    return Err(format!("nothing was heard of the server for {seconds} s, not even an answer to a ping"));
                }
            };
            if let Some(Ok(_)) = message {
                heard::over(&self.silence);
            }
            return match message {
                None | Some(Ok(Message::Close(_))) => Ok(None),
                Some(Ok(Message::Text(text))) => Ok(Some(Received::Text(text))),
                Some(Ok(Message::Binary(bytes))) => Utf8Bytes::try_from(bytes)
                    .map(|text| Some(Received::Text(text)))
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

impl<S> Send for Writer<S>
where
    S: AsyncRead + AsyncWrite + Unpin + std::marker::Send + 'static,
{
    async fn feed(&mut self, message: String) -> Result<(), String> {
        self.sink.feed(Message::text(message)).await.map_err(reason)
    }

    /// Pings, also while nothing is read: a connection that has ended says so to whoever writes.
    async fn tend(&mut self) -> Result<(), String> {
        loop {
            let due = self.ear.last().max(self.pinged) + limits::PING;
            if due <= Instant::now() {
                break;
            }
            sleep_until(due).await;
        }
        self.pinged = Instant::now();
        let ping = self.sink.send(Message::Ping(Bytes::new()));
        ping.await.map_err(reason)
    }

    async fn flush(&mut self) -> Result<(), String> {
        self.sink.flush().await.map_err(reason)
    }

    async fn close(&mut self) {
        let _ = timeout(limits::GOODBYE, self.sink.close()).await;
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// Both halves of ours, and what the server has.
    async fn ends() -> (Reader<DuplexStream>, Writer<DuplexStream>, DuplexStream) {
        let (here, there) = duplex(1 << 16);
        let ear = Ear::new();
        let here = ear.at(here);
        let socket = WebSocketStream::from_raw_socket(here, Role::Client, Some(config())).await;
        let (reader, writer) = halves(socket, ear, Silence::default());
        (reader, writer, there)
    }

    /// What is received, while the other half does what it is for.
    async fn received(
        reader: &mut Reader<DuplexStream>,
        writer: &mut Writer<DuplexStream>,
    ) -> Result<Option<String>, String> {
        let tending = async {
            loop {
                writer.tend().await.expect("there is room");
            }
        };
        tokio::select! {
            received = reader.receive() => received.map(|received| received.map(|received| match received {
                Received::Text(text) => text.to_string(),
                Received::Bytes(bytes) => panic!("{bytes:?}"),
            })),
            () = tending => unreachable!("it never ends"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_pinged_and_then_given_up() {
        let (mut reader, mut writer, there) = ends().await;
        let begun = Instant::now();
        let lost = received(&mut reader, &mut writer).await;
        let why = lost.expect_err("it is lost");
        assert!(why.contains("nothing was heard"), "{why}");
        assert!(begun.elapsed() >= limits::SILENCE);
        let mut there = WebSocketStream::from_raw_socket(there, Role::Server, None).await;
        assert!(matches!(there.next().await, Some(Ok(Message::Ping(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_a_ping_for_a_while_is_told_of_until_it_is_heard_again() {
        let (mut reader, mut writer, mut there) = ends().await;
        let mut silence = reader.silence.subscribe();
        let begun = Instant::now();
        let watching = async {
            silence.wait_for(Option::is_some).await.expect("told");
            assert!(begun.elapsed() >= limits::UNHEARD && begun.elapsed() < limits::SILENCE);
            // Not even a whole frame.
            there.write_all(&[0x81]).await.expect("room");
            silence.wait_for(Option::is_none).await.expect("told");
        };
        tokio::select! {
            received = received(&mut reader, &mut writer) => panic!("{received:?}"),
            () = watching => {}
        }
        received(&mut reader, &mut writer).await.expect_err("lost");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_answers_pings_is_kept_however_little_it_says() {
        let (mut reader, mut writer, there) = ends().await;
        let answering = async {
            let mut there = WebSocketStream::from_raw_socket(there, Role::Server, None).await;
            while there.next().await.is_some() {}
        };
        tokio::select! {
            kept = timeout(20 * limits::SILENCE, received(&mut reader, &mut writer)) => assert!(kept.is_err(), "{kept:?}"),
            () = answering => panic!("the client has gone"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_comes_slowly_is_a_sign_of_life_before_it_is_whole() {
        let (mut reader, mut writer, mut there) = ends().await;
        let trickling = async {
            // A text of ten bytes.
            there.write_all(&[0x81, 10]).await.expect("room");
            for byte in b"0123456789" {
                tokio::time::sleep(limits::SILENCE - limits::PING / 2).await;
                there.write_all(&[*byte]).await.expect("room");
            }
        };
        let (text, ()) = tokio::join!(received(&mut reader, &mut writer), trickling);
        assert_eq!(text.expect("kept").as_deref(), Some("0123456789"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_while_nobody_read_counts_however_late_that_is() {
        let (mut reader, mut writer, mut there) = ends().await;
        there.write_all(&[0x81, 1, b'x']).await.expect("room");
        tokio::time::advance(10 * limits::SILENCE).await;
        let text = received(&mut reader, &mut writer).await;
        assert_eq!(text.expect("kept").as_deref(), Some("x"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_link_is_noticed_while_nothing_is_read() {
        let (_reader, mut writer, there) = ends().await;
        drop(there);
        writer.tend().await.expect_err("nobody is there");
    }
}
