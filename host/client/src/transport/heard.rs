//! What bytes go over, and when any came last.
//!
//! A link that goes silent has no end that anybody is told of, so what is heard of the server has to say whether it is there. Bytes count and not messages:
//! a large answer on a slow line is a sign of life long before it is whole.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use lockgate_relay::driver::{Between, Reads};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// When something was heard last. Clones share it.
#[derive(Clone)]
pub(super) struct Ear(Arc<Mutex<Instant>>);

impl Ear {
    /// Nothing yet: it counts from now.
    pub(super) fn new() -> Ear {
        Ear(Arc::new(Mutex::new(Instant::now())))
    }

    /// With this one in between, that is heard.
    pub(super) fn at<S>(&self, socket: S) -> Heard<S> {
        let reads = self.clone();
        Between { reads, socket }
    }

    fn hears(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when nothing was heard for so long.
    pub(super) async fn silent_for(&self, length: Duration) {
        loop {
            let over = self.last() + length;
            sleep_until(over).await;
            if self.last() + length <= over {
                return;
            }
        }
    }
}

/// Who wants to know that nothing is heard: since when, while that is so.
pub(crate) type Silence = watch::Sender<Option<std::time::Instant>>;

/// Tells when nothing was heard for that long, and when something is again. To be polled beside what reads: what that hears wakes it up.
pub(super) async fn tell(ear: &Ear, after: Duration, silence: &Silence) -> Infallible {
    loop {
        ear.silent_for(after).await;
        let last = ear.last();
        silence.send_replace(Some(last.into_std()));
        poll_fn(|_| match ear.last() > last {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        over(silence);
    }
}

/// Something was heard, or nobody listens any more.
pub(crate) fn over(silence: &Silence) {
    silence.send_if_modified(|silence| silence.take().is_some());
}

/// Something that is listened to.
pub(super) type Heard<S> = Between<Ear, S>;

impl Reads for Ear {
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.hears();
        }
        outcome
    }
}
