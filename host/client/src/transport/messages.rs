//! Over anything that carries whole messages: a stream that gives them, and a sink that takes them.

use std::fmt::Display;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use lockgate_wire::limits::MESSAGE_BYTES;
use tokio::time::timeout;

use super::{Receive, Received, Send};
use crate::limits;

pub(crate) struct Given<R>(pub(crate) R);

impl<R: Stream<Item = String> + Unpin + std::marker::Send + 'static> Receive for Given<R> {
    async fn receive(&mut self) -> Result<Option<Received>, String> {
        match self.0.next().await {
            Some(message) if message.len() > MESSAGE_BYTES => {
                Err(format!("a message has more than {MESSAGE_BYTES} bytes"))
            }
            message => Ok(message.map(|text| Received::Text(text.into()))),
        }
    }
}

pub(crate) struct Taken<S>(pub(crate) S);

impl<S> Send for Taken<S>
where
    S: Sink<String, Error: Display> + Unpin + std::marker::Send + 'static,
{
    async fn feed(&mut self, message: String) -> Result<(), String> {
        self.0.feed(message).await.map_err(words)
    }

    async fn flush(&mut self) -> Result<(), String> {
        self.0.flush().await.map_err(words)
    }

    async fn close(&mut self) {
        if timeout(limits::GOODBYE, self.0.close()).await.is_err() {
            tracing::debug!("the server did not take the close");
        }
    }
}

fn words(error: impl Display) -> String {
    format!("the server does not read: {error}")
}
