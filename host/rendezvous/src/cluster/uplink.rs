//! A harness's way from its own node to its executor's.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::timeout;

use super::pipe::{Closed, Pipe};
use crate::limits;
use crate::outlet::{Close, Outlet};

/// What a harness sends goes in here; dropping it ends the pipe, and with it the place at the other node, once what was sent is on its way.
pub(crate) struct Uplink {
    pipe: Arc<Pipe>,
    pub(crate) outlet: Arc<Outlet>,
    /// Its frames are small.
    pub(crate) encrypts: bool,
    /// The pipe is somebody else's to end.
    carried: bool,
}

/// How it ended.
enum End {
    /// The harness has left.
    Left,
    /// The pipe has ended.
    Closed(Closed),
}

impl Uplink {
    pub(super) fn new(pipe: Arc<Pipe>) -> Uplink {
        Uplink {
            pipe,
            outlet: Arc::default(),
            encrypts: false,
            carried: false,
        }
    }

    /// The node that it leads to.
    pub(crate) fn node(&self) -> &str {
        &self.pipe.node
    }

    /// Carries frames both ways until one end is gone; `harness` is what waits for the harness's websocket, which is closed if it was the other one.
    pub(crate) fn carry(&mut self, harness: Arc<Outlet>) {
        self.carried = true;
        let (pipe, out) = (Arc::clone(&self.pipe), Arc::clone(&self.outlet));
        tokio::spawn(async move {
            match poll_fn(|cx| carry(&pipe, &out, &harness, cx)).await {
                End::Closed(Closed(code)) => harness.close(Close::relayed(code)),
                End::Left => {
                    pipe.finish(Closed::GONE);
                    // Who takes nothing more is left.
                    let _ = timeout(limits::GOODBYE, poll_fn(|cx| pipe.poll_told(cx))).await;
                }
            }
            pipe.end(Closed::GONE);
        });
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        match self.carried {
            true => self.outlet.finish(),
            false => self.pipe.end(Closed::GONE),
        }
    }
}

fn carry(pipe: &Pipe, out: &Outlet, harness: &Outlet, cx: &mut Context<'_>) -> Poll<End> {
    // Others have their turn, too.
    for _ in 0..limits::FRAMES_A_TURN {
        let mut moved = false;
        if harness.poll_room(limits::PLAIN_QUEUE, cx).is_ready() {
            match pipe.poll_frame(cx) {
                Poll::Ready(Err(closed)) => return Poll::Ready(End::Closed(closed)),
                Poll::Ready(Ok(_)) => {
                    if let Some(parcel) = pipe.take() {
                        harness.push(parcel);
                    }
                    moved = true;
                }
                Poll::Pending => {}
            }
        }
        match pipe.poll_room(cx) {
            Poll::Ready(Err(closed)) => return Poll::Ready(End::Closed(closed)),
            Poll::Ready(Ok(())) => match out.poll_take(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(End::Left),
                Poll::Ready(Ok(parcel)) => {
                    pipe.push(parcel, true);
                    moved = true;
                }
                Poll::Pending => {}
            },
            Poll::Pending => {}
        }
        if !moved {
            return Poll::Pending;
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
