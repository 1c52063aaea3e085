//! One stream of a relay: messages come and go whatever happens to the connections below.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use lockgate_relay::driver::{Channel, SendError};
use lockgate_relay::{Ended, StreamError};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{Inbound, Transport};
use crate::policy::Peer;

/// The executor's end of a stream that a harness opened.
pub(crate) struct Relayed {
    channel: Channel,
    environment: String,
}

impl Relayed {
    /// `environment`: what this executor is registered as.
    pub(crate) fn new(channel: Channel, environment: String) -> Relayed {
        Relayed {
            channel,
            environment,
        }
    }
}

impl Transport for Relayed {
    const NAME: &'static str = "relay";

    // Streams ask for signs of life themselves; sooner where they are told to.
    const PINGS: bool = false;
    const HALF_CLOSES: bool = false;

    fn peer(&self) -> Peer {
        Peer {
            environment: Some(self.environment.clone()),
            ..Peer::over(lockgate_policy_gate::Transport::Relay)
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Inbound>>> {
        self.channel.poll_recv(cx).map(|received| match received {
            Ok(message) => Some(Ok(match Utf8Bytes::try_from(message) {
                Ok(text) => Inbound::Message(text),
                Err(_) => Inbound::NotText("the message is not UTF-8"),
            })),
            Err(Ended::Here | Ended::ByPeer(_)) => None,
            Err(ended) => Some(Err(io::Error::other(ended))),
        })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.channel.poll_ready(cx).map_err(io::Error::other)
    }

    fn start_send(&mut self, message: String) -> io::Result<()> {
        self.start_send_bytes(message.into_bytes())
    }

    const CARRIES_BYTES: bool = true;

    fn start_send_bytes(&mut self, message: Vec<u8>) -> io::Result<()> {
        match self.channel.send(Bytes::from(message)) {
            Ok(()) => Ok(()),
            // Readiness was asked for, so there is no stream any more.
            Err(error @ SendError::Stream(StreamError::NotOpen(_))) => {
                Err(io::Error::new(io::ErrorKind::BrokenPipe, error))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What the stream has, its carrier writes as soon as it can.
        self.channel.poll_flush(cx).map_err(io::Error::other)
    }

    fn start_ping(&mut self) -> io::Result<()> {
        self.channel.stream().ask();
        Ok(())
    }

    fn heard(&self) -> Option<u64> {
        self.channel.stream().heard()
    }

    fn has_hung_up(&self) -> bool {
        self.channel.stream().is_over()
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Dropping the stream ends it, once everything has arrived.
        Poll::Ready(Ok(()))
    }
}
