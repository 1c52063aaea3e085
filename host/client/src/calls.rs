//! The state that callers and the connection's task share: calls that wait for answers, processes that wait for events.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_wire::http::BodyDeltaNotification;
use lockgate_wire::lockgate::approval::ApprovalWithdrawn;
use lockgate_wire::lockgate::watch::ChangedNotification;
use lockgate_wire::process::{ClosedNotification, ExitedNotification, OutputNotification};
use lockgate_wire::{
    Id, Incoming, Notification, ProcessId, Request, Verbatim, code, decode_params, notify,
    server_request,
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::approvals::{Approvals, Approver};
use crate::events::{Event, Queue};
use crate::http::{Piece, Pushed};
use crate::{ClientError, http, watch};

/// The answer to one call: the whole message and where the result stands in it, so that nothing is copied before it is
/// decoded into the caller's type.
pub(crate) struct Answer {
    message: Utf8Bytes,
    result: Range<usize>,
}

impl Answer {
    pub(crate) fn decode<R: DeserializeOwned>(&self, method: &str) -> Result<R, ClientError> {
        let text = self
            .message
            .as_str()
            .get(self.result.clone())
            .unwrap_or_default();
        serde_json::from_str(text).map_err(|error| {
            ClientError::Protocol(format!("the result of {method} does not decode: {error}"))
        })
    }
}

type Waiting = oneshot::Sender<Result<Answer, ClientError>>;

pub(crate) struct Calls {
    state: Mutex<State>,
    approvals: Approvals,
}

#[derive(Default)]
struct State {
    last_id: i64,
    waiting: HashMap<i64, Waiting>,
    routes: HashMap<ProcessId, Arc<Queue>>,
    watches: HashMap<String, watch::Route>,
    bodies: HashMap<String, http::Route>,
    last_http: u64,
    /// Why the connection ended.
    closed: Option<ClientError>,
}

/// A call that waits; dropping it forgets the call, and its answer is ignored when it comes.
pub(crate) struct Ticket<'a> {
    calls: &'a Calls,
    pub(crate) id: i64,
    pub(crate) answer: oneshot::Receiver<Result<Answer, ClientError>>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.calls.state().waiting.remove(&self.id);
    }
}

impl Calls {
    pub(crate) fn new(approver: Option<Approver>) -> Calls {
        Calls {
            state: Mutex::default(),
            approvals: Approvals::new(approver),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for the answer to a new call.
    pub(crate) fn ticket(&self) -> Result<Ticket<'_>, ClientError> {
        let mut state = self.state();
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        state.last_id += 1;
        let id = state.last_id;
        let (sender, answer) = oneshot::channel();
        state.waiting.insert(id, sender);
        Ok(Ticket {
            calls: self,
            id,
            answer,
        })
    }

    /// Events of `process` go into `queue` from now on. False when the key is in use.
    pub(crate) fn route(
        &self,
        process: &ProcessId,
        queue: &Arc<Queue>,
    ) -> Result<bool, ClientError> {
        let mut state = self.state();
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        if state.routes.contains_key(process) {
            return Ok(false);
        }
        state.routes.insert(process.clone(), Arc::clone(queue));
        Ok(true)
    }

    pub(crate) fn unroute(&self, process: &ProcessId) {
        self.state().routes.remove(process);
    }

    /// What is told of a watch goes there from now on. False when its name is in use.
    pub(crate) fn watch(&self, watch_id: &str, route: watch::Route) -> Result<bool, ClientError> {
        let mut state = self.state();
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        if state.watches.contains_key(watch_id) {
            return Ok(false);
        }
        state.watches.insert(watch_id.to_owned(), route);
        Ok(true)
    }

    pub(crate) fn unwatch(&self, watch_id: &str) {
        self.state().watches.remove(watch_id);
    }

    /// A name for an HTTP request that no other of this connection has.
    pub(crate) fn http_name(&self) -> String {
        let mut state = self.state();
        state.last_http += 1;
        format!("http-{}", state.last_http)
    }

    /// The pieces of a body go there from now on.
    pub(crate) fn listen(&self, name: &str, route: http::Route) -> Result<(), ClientError> {
        let mut state = self.state();
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        state.bodies.insert(name.to_owned(), route);
        Ok(())
    }

    pub(crate) fn stop_listening(&self, name: &str) {
        self.state().bodies.remove(name);
    }

    /// Why the connection ended, if it has.
    pub(crate) fn closed(&self) -> Option<ClientError> {
        self.state().closed.clone()
    }

    /// The connection is gone: everyone who waits is told.
    pub(crate) fn fail(&self, reason: ClientError) {
        let (waiting, routes, reason) = {
            let mut state = self.state();
            let reason = state.closed.get_or_insert(reason).clone();
            state.watches.clear();
            state.bodies.clear();
            (
                std::mem::take(&mut state.waiting),
                std::mem::take(&mut state.routes),
                reason,
            )
        };
        self.approvals.end();
        for (_, sender) in waiting {
            let _ = sender.send(Err(reason.clone()));
        }
        for (_, queue) in routes {
            queue.fail(reason.to_string());
        }
    }

    /// One message of the server; who may have to be waited for, if anybody. An error ends the connection.
    pub(crate) fn receive(
        &self,
        message: &Utf8Bytes,
        replies: &mpsc::WeakSender<String>,
    ) -> Result<Option<Behind>, ClientError> {
        let incoming = Incoming::parse(message.as_str())
            .map_err(|error| ClientError::Protocol(format!("a message cannot be read: {error}")))?;
        match incoming {
            Incoming::Response(reply) => {
                let start =
                    reply.result.get().as_ptr() as usize - message.as_str().as_ptr() as usize;
                let result = start..start + reply.result.get().len();
                self.answer(
                    &reply.id,
                    Ok(Answer {
                        message: message.clone(),
                        result,
                    }),
                )
            }
            Incoming::Error(reply) => {
                let refusal = ClientError::Server {
                    code: reply.error.code,
                    message: reply.error.message,
                };
                self.answer(&reply.id, Err(refusal))
            }
            Incoming::Notification(note) => return self.notified(&note),
            Incoming::Request(request) => {
                let Err(text) = self.asked(request, replies) else {
                    return Ok(None);
                };
                match replies.upgrade().map(|replies| replies.try_send(text)) {
                    Some(Err(mpsc::error::TrySendError::Full(_))) => Err(ClientError::Protocol(
                        "more requests from the server than can be answered".into(),
                    )),
                    _ => Ok(()),
                }
            }
        }
        .map(|()| None)
    }

    /// A request of the server; what it is refused with, if it is. Nothing but questions is offered, and the protocol wants that said.
    fn asked(
        &self,
        request: Request<'_>,
        replies: &mpsc::WeakSender<String>,
    ) -> Result<(), String> {
        let refusal = |code, text: &str| lockgate_wire::error(Some(&request.id), code, text);
        if request.method != server_request::LOCKGATE_APPROVAL {
            let text = format!("this client does not implement `{}`", request.method);
            return Err(refusal(code::METHOD_NOT_FOUND, &text));
        }
        let question = decode_params(request.params)
            .map_err(|error| refusal(code::INVALID_PARAMS, &error.to_string()))?;
        self.approvals.put(request.id, question, replies.clone())
    }

    fn answer(&self, id: &Id, outcome: Result<Answer, ClientError>) -> Result<(), ClientError> {
        let mut state = self.state();
        match id {
            Id::Number(id) if (1..=state.last_id).contains(id) => {
                let waiting = state.waiting.remove(id);
                drop(state);
                // Nobody waits for a call that was dropped or that timed out.
                if let Some(waiting) = waiting {
                    let _ = waiting.send(outcome);
                }
                Ok(())
            }
            id => Err(ClientError::Protocol(match outcome {
                Err(refusal) => format!("an error for no request of ours (id {id}): {refusal}"),
                Ok(_) => format!("an answer to no request of ours (id {id})"),
            })),
        }
    }

    fn notified(&self, note: &Notification<'_>) -> Result<Option<Behind>, ClientError> {
        let (process, seq, event) = match note.method.as_ref() {
            notify::PROCESS_OUTPUT => {
                let output: OutputNotification = decode(note.params, &note.method)?;
                let data = output.chunk.0;
                let stream = output.stream;
                (
                    output.process_id,
                    output.seq,
                    Event::Output { stream, data },
                )
            }
            notify::PROCESS_EXITED => {
                let exited: ExitedNotification = decode(note.params, &note.method)?;
                let exit_code = exited.exit_code;
                let sandbox_denied = exited.sandbox_denied.unwrap_or_default();
                (
                    exited.process_id,
                    exited.seq,
                    Event::Exited {
                        exit_code,
                        sandbox_denied,
                    },
                )
            }
            notify::PROCESS_CLOSED => {
                let closed: ClosedNotification = decode(note.params, &note.method)?;
                (closed.process_id, closed.seq, Event::Closed)
            }
            notify::LOCKGATE_FS_CHANGED => {
                let changed: ChangedNotification = decode(note.params, &note.method)?;
                // One that was ended here may still be told of.
                if let Some(route) = self.state().watches.get(&changed.watch_id) {
                    route.push(changed);
                }
                return Ok(None);
            }
            notify::LOCKGATE_APPROVAL_WITHDRAWN => {
                let withdrawn: ApprovalWithdrawn = decode(note.params, &note.method)?;
                self.approvals.withdraw(&withdrawn);
                return Ok(None);
            }
            notify::HTTP_BODY_DELTA => {
                let delta: BodyDeltaNotification = decode(note.params, &note.method)?;
                return Ok(self.body_came(delta));
            }
            other => {
                tracing::debug!(
                    method = other,
                    "a notification that this client does not know"
                );
                return Ok(None);
            }
        };
        // Notifications for unknown processes are ignored: they may be late.
        let queue = self.state().routes.get(process.as_str()).cloned();
        if let Some(queue) = &queue {
            queue.push(seq, event);
        }
        Ok(queue.map(Behind::Events))
    }

    fn body_came(&self, delta: BodyDeltaNotification) -> Option<Behind> {
        let mut state = self.state();
        let name = delta.request_id.clone();
        let is_last = delta.done;
        // Nobody listens to a body that was dropped.
        let pushed = state.bodies.get_mut(&name)?.push(delta);
        if is_last || matches!(pushed, Pushed::Over) {
            state.bodies.remove(&name);
        }
        match pushed {
            Pushed::Behind(behind) => Some(behind),
            Pushed::Taken | Pushed::Over => None,
        }
    }
}

/// A reader that the connection may have to wait for.
pub(crate) enum Behind {
    Events(Arc<Queue>),
    Body(mpsc::Sender<Piece>, Piece),
}

impl Behind {
    /// Returns when there is room.
    pub(crate) async fn caught_up(self) {
        match self {
            Behind::Events(queue) => queue.has_room().await,
            // Fails where the reader is gone, and needs no piece.
            Behind::Body(pieces, piece) => drop(pieces.send(piece).await),
        }
    }
}

fn decode<T: DeserializeOwned>(
    params: Option<Verbatim<'_>>,
    method: &str,
) -> Result<T, ClientError> {
    decode_params(params)
        .map_err(|error| ClientError::Protocol(format!("{method} does not decode: {error}")))
}
