//! The body of a request, which has to come in a time: a connection that begins one and stops holds a place.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body that fails when its time is over.
pub(super) struct Timed<B> {
    body: B,
    time: Duration,
    over: Pin<Box<Sleep>>,
}

impl<B> Timed<B> {
    /// Its time begins now.
    pub(super) fn new(body: B, time: Duration) -> Timed<B> {
        Timed {
            body,
            time,
            over: Box::pin(sleep(time)),
        }
    }
}

impl<B: Body<Error: Display> + Unpin> Body for Timed<B> {
    type Data = B::Data;
    type Error = String;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, String>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| error.to_string())));
        }
        let time = self.time.as_secs();
        self.over
            .as_mut()
            .poll(context)
            .map(|()| Some(Err(format!("it did not come within {time} s"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    fn frame(text: &'static str) -> Result<Frame<Bytes>, std::io::Error> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn attack_35_a_body_that_stops_coming_fails_in_time_and_one_that_comes_does_not() {
        let stops =
            futures_util::StreamExt::chain(stream::iter([frame("begins")]), stream::pending());
        let body = Timed::new(StreamBody::new(stops), Duration::from_millis(1));
        let failed = tokio::time::timeout(Duration::from_secs(60), body.collect()).await;
        let failed = failed.expect("it ends").expect_err("not whole");
        assert_eq!(failed, "it did not come within 0 s");
        let comes = StreamBody::new(stream::iter([frame("all"), frame(" of it")]));
        // However little time there was, what is there is taken.
        let whole = Timed::new(comes, Duration::ZERO)
            .collect()
            .await
            .expect("whole");
        assert_eq!(whole.to_bytes(), "all of it");
    }
}
