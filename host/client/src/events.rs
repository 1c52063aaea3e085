//! The events of one process, in order.
//!
//! The connection's task puts events into a [`Queue`] by their number; the reader takes the next number. Numbers that stay away, because
//! the queue was full, because the server dropped them, or because the reader came late, are fetched with `process/read`.

use std::sync::Arc;

use lockgate_wire::Method;
use lockgate_wire::process::{ReadParams, ReadResult, Stream};
use tokio::time::{Instant, timeout_at};

use crate::process::ProcessHandle;
use crate::queue::{Next, Queue};
use crate::{ClientError, gap, limits};

/// Something that happened to a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It wrote something.
    Output {
        /// Where.
        stream: Stream,
        /// What; may split a UTF-8 character.
        data: Vec<u8>,
    },
    /// Its exit code is known. Output may still follow.
    Exited {
        /// 128 + n after signal n, -1 when unknown.
        exit_code: i32,
        /// The server's guess that a sandbox was the reason.
        sandbox_denied: bool,
    },
    /// The last event: nothing more will come.
    Closed,
    /// Output that the server no longer has, because this reader came late, or was too slow for too long.
    Lost {
        /// How many events.
        count: u64,
    },
    /// The last event: the connection ended first, the server forgot the process, or output was lost with a link; the process has been
    /// terminated in that case.
    Failed(String),
}

impl Event {
    pub(crate) fn is_exit(&self) -> bool {
        matches!(self, Event::Exited { .. })
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Event::Output { data, .. } => data.len(),
            _ => 0,
        }
    }

    /// How many sequence numbers it stands for.
    pub(crate) fn numbers(&self) -> u64 {
        match self {
            Event::Lost { count } => *count,
            _ => 1,
        }
    }
}

#[derive(Debug, Default)]
struct Unacknowledged {
    events: u64,
    bytes: u64,
}

/// The events of one process.
#[derive(Debug)]
pub struct Events {
    process: ProcessHandle,
    queue: Arc<Queue>,
    begun: bool,
    ended: bool,
    /// What was read and is not acknowledged, where that is wanted.
    unacknowledged: Option<Unacknowledged>,
    /// When a missing number is late.
    late_at: Option<Instant>,
}

impl Events {
    pub(crate) fn new(process: ProcessHandle, queue: Arc<Queue>) -> Self {
        let unacknowledged = queue.acknowledges().then(Unacknowledged::default);
        Events {
            process,
            queue,
            begun: false,
            ended: false,
            unacknowledged,
            late_at: None,
        }
    }

    /// The next event; `None` after [`Event::Closed`] and [`Event::Failed`]. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        loop {
            match self.queue.next() {
                Next::Event(event) => {
                    self.late_at = None;
                    self.acknowledge(&event);
                    self.ended = event == Event::Closed;
                    if self.ended {
                        self.unacknowledged = None;
                        self.process.forget(&self.queue);
                    }
                    return Some(event);
                }
                Next::Failed(reason) => {
                    self.ended = true;
                    return Some(Event::Failed(reason));
                }
                Next::Nothing => self.queue.changed().await,
                Next::Gap { overflowed } => {
                    let late_at = *self
                        .late_at
                        .get_or_insert_with(|| Instant::now() + limits::GAP);
                    if !overflowed && timeout_at(late_at, self.queue.changed()).await.is_ok() {
                        continue;
                    }
                    let caught_up = self.catch_up().await;
                    self.late_at = None;
                    match caught_up {
                        Ok(()) => {}
                        // Looked for again when the connection is back.
                        Err(ClientError::Interrupted { .. }) => {}
                        Err(error) => {
                            self.ended = true;
                            self.let_go();
                            return Some(Event::Failed(error.to_string()));
                        }
                    }
                }
            }
        }
    }

    /// There is a process.
    pub(crate) fn begun(mut self) -> Events {
        self.begun = true;
        self
    }

    /// Nothing is read any more, and nobody else reads: a process that waits for that goes on.
    fn let_go(&mut self) {
        self.process.forget(&self.queue);
        if self.unacknowledged.take().is_some() && self.begun {
            let process = &self.process;
            process.client().calls().let_go(process.id());
        }
    }

    fn acknowledge(&mut self, event: &Event) {
        let Some(unacknowledged) = &mut self.unacknowledged else {
            return;
        };
        unacknowledged.events += 1;
        unacknowledged.bytes += event.bytes() as u64;
        if unacknowledged.events >= limits::ACKNOWLEDGE_EVENTS
            || unacknowledged.bytes >= limits::ACKNOWLEDGE_BYTES
        {
            *unacknowledged = Unacknowledged::default();
            let process = &self.process;
            process.client().calls().acknowledge(process.id());
        }
    }

    /// Fetches what is missing. The answer comes over the connection that may be waiting for this reader.
    pub(crate) async fn catch_up(&mut self) -> Result<(), ClientError> {
        let _released = Released::of(&self.queue);
        let id = self.process.id();
        let last = self.queue.last();
        // What is asked after counts as acknowledged.
        let read_by_all = self.process.client().calls().routes().read_by_all(id);
        let params = ReadParams {
            process_id: id.clone(),
            after_seq: Some(read_by_all.map_or(last, |all| all.min(last))),
            max_bytes: None,
            wait_ms: Some(0),
        };
        let read: ReadResult = self
            .process
            .client()
            .call(Method::ProcessRead.name(), &params)
            .await?;
        self.queue.fill(gap::checked(read)?);
        Ok(())
    }
}

/// While it is there, the connection does not wait for that queue's reader. Also where whoever reads gives up in between.
struct Released<'a>(&'a Queue);

impl Released<'_> {
    fn of(queue: &Queue) -> Released<'_> {
        queue.release(true);
        Released(queue)
    }
}

impl Drop for Released<'_> {
    fn drop(&mut self) {
        self.0.release(false);
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.queue.release(true);
        self.let_go();
    }
}
