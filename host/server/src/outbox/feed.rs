//! What happens to one process, as one connection sees it: encoded from the process's log when the connection has room for it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lockgate_process::{Cursor, Event, Observer, Position, Process};
use lockgate_wire::process::{ClosedNotification, ExitedNotification};
use lockgate_wire::{notify, process as wire};

use super::{Message, Outbox, Source};

/// One process as one connection sees it.
pub(crate) struct Feed {
    process_id: Box<str>,
    process: Arc<Process>,
    /// None before the subscription is made and after it has ended.
    cursor: Mutex<Option<Cursor>>,
    queued: AtomicBool,
    outbox: Weak<Outbox>,
    this: Weak<Feed>,
}

impl Feed {
    /// Subscribes a connection to a process: from the start when this connection has just started
    /// it; from now on after a resume, where nothing is replayed.
    pub(crate) fn attach(
        process_id: &str,
        process: &Arc<Process>,
        outbox: &Arc<Outbox>,
        from: Position,
    ) -> Arc<Feed> {
        let feed = Arc::new_cyclic(|this| Feed {
            process_id: process_id.into(),
            process: Arc::clone(process),
            cursor: Mutex::new(None),
            queued: AtomicBool::new(false),
            outbox: Arc::downgrade(outbox),
            this: Weak::clone(this),
        });
        let cursor = process
            .log()
            .attach(Arc::clone(&feed) as Arc<dyn Observer>, from);
        *feed.cursor() = Some(cursor);
        // What came before the subscription has told nobody.
        outbox.enqueue(Arc::clone(&feed) as Arc<dyn Source>);
        outbox.waker.wake();
        feed
    }

    /// Ends the subscription.
    pub(crate) fn detach(&self) {
        if let Some(cursor) = self.cursor().take() {
            self.process.log().detach(cursor);
        }
    }

    fn cursor(&self) -> MutexGuard<'_, Option<Cursor>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Feed {
    fn queued(&self) -> &AtomicBool {
        &self.queued
    }

    fn next_message(&self) -> Option<Message> {
        let id = &*self.process_id;
        let sends_bytes = self.outbox.upgrade()?.sends_bytes();
        let mut cursor = self.cursor();
        self.process
            .log()
            .next_event(cursor.as_mut()?, |event| match event {
                Event::Output { seq, stream, data } if sends_bytes => {
                    let stream = wire_stream(stream);
                    Message::Bytes(lockgate_wire::output_bytes(id, seq, stream, data))
                }
                Event::Output { seq, stream, data } => {
                    lockgate_wire::output_notification(id, seq, wire_stream(stream), data).into()
                }
                Event::Exited { seq, code } => lockgate_wire::notification(
                    notify::PROCESS_EXITED,
                    &ExitedNotification {
                        process_id: id.into(),
                        seq,
                        exit_code: code,
                        sandbox_denied: Some(false),
                    },
                )
                .into(),
                Event::Closed { seq } => lockgate_wire::notification(
                    notify::PROCESS_CLOSED,
                    &ClosedNotification {
                        process_id: id.into(),
                        seq,
                    },
                )
                .into(),
            })
    }
}

impl Observer for Feed {
    fn output_available(&self, _process: u64) {
        if let (Some(outbox), Some(this)) = (self.outbox.upgrade(), self.this.upgrade()) {
            outbox.enqueue(this);
            outbox.waker.wake();
        }
    }
}

/// The wire's name for a stream.
pub(crate) fn wire_stream(stream: lockgate_process::Stream) -> wire::Stream {
    match stream {
        lockgate_process::Stream::Stdout => wire::Stream::Stdout,
        lockgate_process::Stream::Stderr => wire::Stream::Stderr,
        lockgate_process::Stream::Pty => wire::Stream::Pty,
    }
}
