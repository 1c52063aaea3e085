//! HTTP over a connection.

use futures_util::stream;

use crate::executor::{Answer, Body, Http, HttpReply, HttpReplyStream};
use crate::{Client, HttpRequest};

impl Http for Client {
    fn send<'a>(&'a self, request: &'a HttpRequest) -> Answer<'a, HttpReply> {
        Box::pin(async move {
            let reply = Client::http(self, request).await?;
            Ok(HttpReply {
                status: reply.status,
                headers: reply.headers,
                body: reply.body_base64.0,
            })
        })
    }

    fn stream<'a>(&'a self, request: &'a HttpRequest) -> Answer<'a, HttpReplyStream> {
        Box::pin(async move {
            let reply = Client::http_stream(self, request).await?;
            let pieces = stream::unfold(reply.body, |mut body| async move {
                Some((body.next().await?, body))
            });
            Ok(HttpReplyStream {
                status: reply.status,
                headers: reply.headers,
                body: Body::new(pieces),
            })
        })
    }
}
