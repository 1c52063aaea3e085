//! A body in pieces: told as it comes from the network.
//!
//! The task that reads stops where [`limits::HTTP_STREAM_BYTES`] wait for the client, and reads on when the socket has taken them: a server
//! that sends without end is held up by a client that does not read. Of a client that acknowledges what it has read it stops at that client's window as well: then its
//! connection, on which other answers come, is not what holds the body up. The outbox takes the pieces when it has no answers to send and in
//! turn with other streams and with the output of processes.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_wire::{Id, http_result};
use tokio::sync::Notify;

use super::buffered::too_much;
use super::exchange::{Exchange, said};
use super::exchanges::Place;
use crate::limits;
use crate::outbox::{Message, Outbox, Source};

/// A body on its way to the client.
struct Body {
    state: Mutex<State>,
    /// Told when something was taken.
    room: Notify,
    queued: AtomicBool,
}

struct State {
    waiting: Vec<u8>,
    /// Of the last piece that was told.
    seq: u64,
    end: Option<End>,
    /// The name is the client's again when the last piece is on its way.
    place: Option<Place>,
}

/// How it ended: the error that cut it short, if there was one.
struct End(Option<String>);

impl Exchange {
    /// The answer, which goes out before anything of the body.
    pub(crate) fn head(&self, id: &Id) -> String {
        http_result(id, self.status(), &self.headers(), &[])
    }

    /// Tells the body until it ends, or nobody is there any more. The answer is in the outbox.
    pub(crate) async fn stream(self, outbox: &Arc<Outbox>, window: Option<u64>) {
        let Exchange {
            place,
            mut response,
            clock,
            most,
        } = self;
        let read = place.read();
        let body = Arc::new(Body {
            state: Mutex::new(State {
                waiting: Vec::new(),
                seq: 0,
                end: None,
                place: Some(place),
            }),
            room: Notify::new(),
            queued: AtomicBool::new(false),
        });
        let mut left = most.unwrap_or(u64::MAX);
        let mut sent = 0;
        let error = loop {
            let next = async {
                body.has_room().await;
                if let Some(window) = window {
                    // No window at all would be never to begin.
                    read.within(window.max(1), sent).await;
                }
                response.chunk().await
            };
            let mut chunk = match clock.within(next).await {
                Err(failure) => break Some(failure.message),
                Ok(Err(error)) => {
                    let why = said(error);
                    break Some(format!("failed to read http/request response body: {why}"));
                }
                Ok(Ok(None)) => break None,
                Ok(Ok(Some(chunk))) => chunk,
            };
            let too_many = chunk.len() as u64 > left;
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= chunk.len() as u64;
            sent += chunk.len() as u64;
            body.state().waiting.extend_from_slice(&chunk);
            outbox.tell(&body);
            if too_many {
                break most.map(too_much);
            }
        };
        // The connection to the server is not needed until the client has taken the rest.
        drop(response);
        body.state().end = Some(End(error));
        outbox.tell(&body);
    }
}

impl Outbox {
    fn tell(&self, body: &Arc<Body>) {
        self.enqueue(Arc::clone(body) as Arc<dyn Source>);
        self.wake();
    }
}

impl Body {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn has_room(&self) {
        // A piece that is taken between the look and the wait is remembered by `notify_one`.
        while self.state().waiting.len() >= limits::HTTP_STREAM_BYTES {
            self.room.notified().await;
        }
    }
}

impl Source for Body {
    fn queued(&self) -> &AtomicBool {
        &self.queued
    }

    fn next_message(&self) -> Option<Message> {
        let mut state = self.state();
        let data = match state.waiting.len() {
            0 => Vec::new(),
            len if len > limits::HTTP_DELTA_BYTES => {
                let rest = state.waiting.split_off(limits::HTTP_DELTA_BYTES);
                std::mem::replace(&mut state.waiting, rest)
            }
            _ => std::mem::take(&mut state.waiting),
        };
        let end = match data.is_empty() {
            true => Some(state.end.take()?.0),
            false => None,
        };
        state.seq += 1;
        let name = state.place.as_ref()?.stream();
        let end = end.as_ref().map(Option::as_deref);
        let text = lockgate_wire::body_delta(name, state.seq, &data, end);
        if end.is_some() {
            state.place = None;
        }
        drop(state);
        self.room.notify_one();
        Some(text.into())
    }
}
