//! The streams of one end, and who waits for them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::RelayStream;
use crate::{Connection, Ended, Event, Role, StreamError, StreamId};

/// One end's streams, over one physical connection after another. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Mutex<Table>>);

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) connection: Connection,
    waits: HashMap<StreamId, Waits>,
    /// Opened by the peer and not taken yet.
    opened: VecDeque<StreamId>,
    acceptor: Option<Waker>,
    /// The task that carries frames.
    pub(super) carrier: Option<Waker>,
    /// The carrier reads nothing until messages have been.
    held_up: bool,
    /// The carrier ends when no stream is left and all is said.
    pub(super) shutting: bool,
    /// There was a physical connection before.
    pub(super) was_carried: bool,
}

/// Who waits for a stream, and how it ended. Kept until its [`RelayStream`] is dropped.
#[derive(Debug, Default)]
struct Waits {
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The peer's handshake, until it is taken.
    handshake: Option<Bytes>,
    /// What came and was not read, and why nothing more will.
    over: Option<(VecDeque<Bytes>, Ended)>,
}

impl Streams {
    /// None yet.
    pub fn new(role: Role) -> Streams {
        Streams(Arc::new(Mutex::new(Table {
            connection: Connection::new(role),
            waits: HashMap::new(),
            opened: VecDeque::new(),
            acceptor: None,
            carrier: None,
            held_up: false,
            shutting: false,
            was_carried: false,
        })))
    }

    /// Opens a stream with a name that no other has.
    ///
    /// # Errors
    /// [`StreamError::TooMany`].
    pub fn open(&self) -> Result<RelayStream, StreamError> {
        let id = StreamId::fresh();
        let mut table = self.lock();
        table.connection.open(&id, Instant::now())?;
        table.waits.insert(id.clone(), Waits::default());
        table.changed();
        drop(table);
        Ok(RelayStream::new(id, self.clone()))
    }

    /// The next stream that the peer opened.
    pub async fn accept(&self) -> RelayStream {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<RelayStream> {
        let mut table = self.lock();
        match table.opened.pop_front() {
            Some(id) => Poll::Ready(RelayStream::new(id, self.clone())),
            None => {
                table.acceptor = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().connection.is_empty()
    }

    /// Lets the carrier end, with [`super::Lost::Shut`], as soon as the last stream has ended and all is said.
    pub fn shut(&self) {
        let mut table = self.lock();
        table.shutting = true;
        table.changed();
    }

    /// What is behind it. A panic under the lock leaves nothing half done that the next one could not go on with.
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Something was done to the connection: tells everyone whom it concerns, and the carrier, which may have something to send.
    pub(super) fn changed(&mut self) {
        self.settle();
        if let Some(carrier) = &self.carrier {
            carrier.wake_by_ref();
        }
    }

    /// The same for the carrier itself.
    pub(super) fn settle(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Opened(id) => {
                    self.waits.insert(id.clone(), Waits::default());
                    self.opened.push_back(id);
                    wake(&mut self.acceptor);
                }
                Event::Handshake { stream, payload } => {
                    if let Some(waits) = self.waits.get_mut(&stream) {
                        waits.handshake = Some(payload);
                        wake(&mut waits.reader);
                    }
                }
                Event::Readable(id) => {
                    if let Some(waits) = self.waits.get_mut(&id) {
                        wake(&mut waits.reader);
                    }
                }
                Event::Writable(id) => {
                    if let Some(waits) = self.waits.get_mut(&id) {
                        wake(&mut waits.writer);
                    }
                }
                Event::Closed {
                    stream,
                    why,
                    unread,
                } => {
                    if let Some(waits) = self.waits.get_mut(&stream) {
                        waits.over = Some((unread.into(), why));
                        wake(&mut waits.reader);
                        wake(&mut waits.writer);
                    }
                }
            }
        }
    }

    /// Whether nothing may be read from the socket now.
    pub(super) fn holds_up(&mut self) -> bool {
        self.held_up = !self.connection.wants_frames();
        self.held_up
    }

    /// Whether the carrier has nothing to do any more.
    pub(super) fn is_shut(&self) -> bool {
        self.shutting && self.connection.is_empty()
    }

    pub(super) fn poll_recv(
        &mut self,
        id: &StreamId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Ended>> {
        let Some(waits) = self.waits.get_mut(id) else {
            return Poll::Ready(Err(Ended::Here));
        };
        if let Some((unread, why)) = &mut waits.over {
            return Poll::Ready(unread.pop_front().ok_or_else(|| why.clone()));
        }
        match self.connection.read(id, Instant::now()) {
            Ok(Some(message)) => {
                // Its sender may be waiting for this, or the socket, where the peer cannot be told to wait.
                let now = Instant::now();
                if self.held_up || self.connection.deadline().is_some_and(|at| at <= now) {
                    self.changed();
                }
                Poll::Ready(Ok(message))
            }
            Ok(None) => {
                waits.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Err(_) => Poll::Ready(Err(Ended::Here)),
        }
    }

    pub(super) fn take_handshake(&mut self, id: &StreamId) -> Option<Bytes> {
        self.waits.get_mut(id)?.handshake.take()
    }

    pub(super) fn poll_handshake(
        &mut self,
        id: &StreamId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Ended>> {
        let Some(waits) = self.waits.get_mut(id) else {
            return Poll::Ready(Err(Ended::Here));
        };
        if let Some(payload) = waits.handshake.take() {
            return Poll::Ready(Ok(payload));
        }
        if let Some((_, why)) = &waits.over {
            return Poll::Ready(Err(why.clone()));
        }
        waits.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_ready(
        &mut self,
        id: &StreamId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ended>> {
        let Some(waits) = self.waits.get_mut(id) else {
            return Poll::Ready(Err(Ended::Here));
        };
        if let Some((_, why)) = &waits.over {
            return Poll::Ready(Err(why.clone()));
        }
        if self.connection.has_room(id) {
            return Poll::Ready(Ok(()));
        }
        waits.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn is_over(&self, id: &StreamId) -> bool {
        self.waits.get(id).is_none_or(|waits| waits.over.is_some())
    }

    pub(super) fn forget(&mut self, id: &StreamId) {
        self.waits.remove(id);
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}
