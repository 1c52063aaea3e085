//! HTTP from where the executor is.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use lockgate_wire::http::Header;

use super::Answer;
use crate::{ClientError, HttpRequest};

/// Sends HTTP requests. Statuses from 400 on are answers like others.
pub trait Http: Send + Sync {
    /// Sends a request; the answer comes in one piece.
    fn send<'a>(&'a self, request: &'a HttpRequest) -> Answer<'a, HttpReply>;

    /// Sends a request; the body comes as it does.
    fn stream<'a>(&'a self, request: &'a HttpRequest) -> Answer<'a, HttpReplyStream>;
}

/// An answer with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// Of the last hop.
    pub status: u16,
    /// Names in lower case, repeats kept; values that are not UTF-8 are left out.
    pub headers: Vec<Header>,
    /// All of it.
    pub body: Vec<u8>,
}

/// An answer whose body follows.
#[derive(Debug)]
pub struct HttpReplyStream {
    /// Of the last hop.
    pub status: u16,
    /// As those of [`HttpReply`].
    pub headers: Vec<Header>,
    /// What follows.
    pub body: Body,
}

/// A body as it comes; an error is the last piece. It is to be read: one whose reader is too far behind fails.
pub struct Body(BoxStream<'static, Result<Vec<u8>, ClientError>>);

impl Body {
    /// Of any stream of pieces.
    pub fn new(pieces: impl Stream<Item = Result<Vec<u8>, ClientError>> + Send + 'static) -> Body {
        Body(Box::pin(pieces.fuse()))
    }

    /// The next bytes; none at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, ClientError>> {
        poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }

    /// All that follows, if it is at most `most` bytes.
    pub async fn read_to_end(mut self, most: usize) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await {
            bytes.extend(piece?);
            if bytes.len() > most {
                return Err(ClientError::Body(format!("it has more than {most} bytes")));
            }
        }
        Ok(bytes)
    }
}

impl Stream for Body {
    type Item = Result<Vec<u8>, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}
