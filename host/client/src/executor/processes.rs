//! Processes: what starts them, what acts on a started one, and what happens to it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

use super::{Answer, Command};
use crate::{ClientError, Event};

/// Starts processes.
pub trait Processes: Send + Sync {
    /// Starts one. Dropped before its answer, what came of it is ended.
    fn start<'a>(&'a self, command: &'a Command) -> Answer<'a, Started>;
}

/// A process that was started. It goes on when this is dropped, until the executor's session ends: what must not go on is to be terminated.
#[derive(Debug)]
pub struct Started {
    /// To act on it; cheap to clone.
    pub process: Arc<dyn Running>,
    /// What happens to it. There is one reader; one that comes late misses nothing that the executor still has.
    pub events: EventStream,
    /// What the executor said about the sandbox that it runs in.
    pub sandbox_type: Option<String>,
}

/// Acts on one process.
pub trait Running: Send + Sync + fmt::Debug {
    /// Its key in the session.
    fn id(&self) -> &str;

    /// Queues bytes for its input. An error where that is closed or where there is none. Bytes for one process arrive in the order in which the calls were
    /// first polled.
    fn write<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()>;

    /// The end of its input, behind what was written. On a terminal the end-of-file character is typed.
    fn close_stdin(&self) -> Answer<'_, ()>;

    /// The window of its terminal has another size.
    fn resize(&self, rows: u16, cols: u16) -> Answer<'_, ()>;

    /// Sends a signal to its group, by a name as in `kill -l`. One that has ended gets none, and that is no error as long as the executor
    /// knows it (half a minute).
    fn signal<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;

    /// Kills its group. True if it was running.
    fn terminate(&self) -> Answer<'_, bool>;

    /// The same for what is dropped: nothing is waited for, inside of a runtime or outside. While the connection is away it is done when that is back.
    fn give_up(&self);

    /// Why the connection to its executor has ended for good, if it has.
    fn disconnected(&self) -> Option<ClientError>;
}

/// The events of one process, in order and without gaps; `None` after [`Event::Closed`] and [`Event::Failed`].
pub struct EventStream(BoxStream<'static, Event>);

impl EventStream {
    /// Of any stream that ends with one of these two.
    pub fn new(events: impl Stream<Item = Event> + Send + 'static) -> EventStream {
        EventStream(Box::pin(events.fuse()))
    }

    /// The next event. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}
