//! Doubt about a peer: somebody else asks for its session, so it has to show that it is still there.
//!
//! The end of a link that just went silent (a cable, a NAT that forgot it) is noticed by nobody for a quarter of an hour. The client of it has another link
//! long before, and would be refused for as long. So the connection that is in its way asks its peer for a sign of life, and ends where none comes; one
//! that is alive loses nothing by the question.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep};

use crate::limits;

/// One question that is out.
pub(crate) struct Doubt {
    /// What had been heard by then.
    heard: u64,
    over: Pin<Box<Sleep>>,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Something was heard since.
    Alive,
    /// Nothing, for [`limits::SIGN_OF_LIFE`].
    Silent,
}

impl Doubt {
    /// The peer, of which so much was heard, has just been asked.
    pub(crate) fn begin(heard: u64) -> Doubt {
        Doubt {
            heard,
            over: Box::pin(sleep(limits::SIGN_OF_LIFE)),
        }
    }

    /// So much was heard of it now.
    pub(crate) fn poll(&mut self, heard: u64, cx: &mut Context<'_>) -> Poll<Answer> {
        if heard > self.heard {
            return Poll::Ready(Answer::Alive);
        }
        self.over.as_mut().poll(cx).map(|()| Answer::Silent)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_of_which_nothing_is_heard_is_silent_when_its_time_is_over() {
        let mut doubt = Doubt::begin(7);
        let moment = std::time::Duration::from_millis(1);
        tokio::time::advance(limits::SIGN_OF_LIFE - moment).await;
        let early = poll_fn(|cx| doubt.poll(7, cx)).now_or_never();
        assert_eq!(early, None, "it still has time");
        tokio::time::advance(2 * moment).await;
        assert_eq!(poll_fn(|cx| doubt.poll(7, cx)).await, Answer::Silent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_of_which_anything_is_heard_is_alive_however_late_that_is_looked_at() {
        let mut doubt = Doubt::begin(7);
        tokio::time::advance(2 * limits::SIGN_OF_LIFE).await;
        assert_eq!(poll_fn(|cx| doubt.poll(8, cx)).await, Answer::Alive);
    }
}
