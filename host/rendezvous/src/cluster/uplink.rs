//! A harness's way from its own node to its executor's.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::pipe::{Closed, Pipe};
use crate::limits;
use crate::outlet::{Close, Outlet};

/// What a harness sends goes in here; dropping it ends the pipe, and with it the place at the other node.
pub(crate) struct Uplink {
    pipe: Arc<Pipe>,
    pub(crate) outlet: Arc<Outlet>,
}

impl Uplink {
    pub(super) fn new(pipe: Arc<Pipe>) -> Uplink {
        Uplink {
            pipe,
            outlet: Arc::default(),
        }
    }

    /// The node that it leads to.
    pub(crate) fn node(&self) -> &str {
        &self.pipe.node
    }

    /// Carries frames both ways until one end is gone; `harness` is what waits for the harness's websocket, which is closed if it was the other one.
    pub(crate) fn carry(&self, harness: Arc<Outlet>) {
        let (pipe, out) = (Arc::clone(&self.pipe), Arc::clone(&self.outlet));
        tokio::spawn(async move {
            let Closed(code) = poll_fn(|cx| carry(&pipe, &out, &harness, cx)).await;
            // If it is the harness that has left, nobody is there to be told.
            harness.close(Close::relayed(code));
            pipe.end(Closed(code));
        });
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.outlet.close(Close::GONE);
        self.pipe.end(Closed(Close::GONE.code));
    }
}

fn carry(pipe: &Pipe, out: &Outlet, harness: &Outlet, cx: &mut Context<'_>) -> Poll<Closed> {
    // Others have their turn, too.
    for _ in 0..limits::FRAMES_A_TURN {
        let mut moved = false;
        match pipe.poll_room(cx) {
            Poll::Ready(Err(closed)) => return Poll::Ready(closed),
            Poll::Ready(Ok(())) => match out.poll_take(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(Closed(Close::GONE.code)),
                Poll::Ready(Ok(parcel)) => {
                    pipe.push(parcel);
                    moved = true;
                }
                Poll::Pending => {}
            },
            Poll::Pending => {}
        }
        if harness.poll_room(limits::PLAIN_QUEUE, cx).is_ready() {
            match pipe.poll_frame(cx) {
                Poll::Ready(Err(closed)) => return Poll::Ready(closed),
                Poll::Ready(Ok(_)) => {
                    if let Some(frame) = pipe.take() {
                        harness.push(frame);
                    }
                    moved = true;
                }
                Poll::Pending => {}
            }
        }
        if !moved {
            return Poll::Pending;
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
