//! What comes from the server: answers to calls, questions, and what is told of processes, watches and bodies.

use lockgate_wire::fs::MissingChangedNotification;
use lockgate_wire::http::BodyDeltaNotification;
use lockgate_wire::lockgate::approval::ApprovalWithdrawn;
use lockgate_wire::lockgate::watch::ChangedNotification;
use lockgate_wire::process::{
    ClosedNotification, ExitedNotification, OutputHead, OutputNotification,
};
use lockgate_wire::{
    Id, Incoming, Malformed, Method, Notification, ProcessId, Request, Verbatim, code,
    decode_params, notify, server_request, split_bytes,
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Bytes;

use crate::approvals::Unput;
use crate::calls::{Answer, Calls, Unanswered};
use crate::events::Event;
use crate::http::{Piece, Pushed};
use crate::routes::{self, Readers};
use crate::transport::Received;
use crate::{ClientError, limits};

impl Calls {
    /// One message of the server, over that link; who may have to be waited for, if anybody. An error ends the connection.
    pub(crate) fn receive(
        &self,
        message: Received,
        link: u64,
        replies: &mpsc::Sender<String>,
    ) -> Result<Option<Behind>, ClientError> {
        if !self.is_current(link) {
            // One that was given up, and says goodbye: what it still brings is not of this session's attachment.
            return Ok(None);
        }
        let message = match message {
            Received::Text(text) => text,
            Received::Bytes(message) => return self.came_with_bytes(message),
        };
        let incoming = Incoming::parse(message.as_str())
            .map_err(|error| ClientError::protocol(format!("a message cannot be read: {error}")))?;
        match incoming {
            Incoming::Response(reply) => {
                let start =
                    reply.result.get().as_ptr() as usize - message.as_str().as_ptr() as usize;
                let result = start..start + reply.result.get().len();
                self.answer(&reply.id, Ok(Answer::new(message.clone(), result)))
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
                let Err(text) = self.asked(request, replies)? else {
                    return Ok(None);
                };
                // They do not wait behind calls. Only of a server that asks and asks and takes no answer are there more than fit.
                match replies.try_send(text) {
                    Err(mpsc::error::TrySendError::Full(_)) => Err(ClientError::Protocol(
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
        replies: &mpsc::Sender<String>,
    ) -> Result<Result<(), String>, ClientError> {
        let refusal =
            |code, text: &str| Ok(Err(lockgate_wire::error(Some(&request.id), code, text)));
        if request.method == Method::Initialize.name() {
            return Err(ClientError::Protocol(
                "it sends back what it is sent: this is an echo, and no executor".into(),
            ));
        }
        if request.method != server_request::LOCKGATE_APPROVAL {
            let text = format!("this client does not implement `{}`", request.method);
            return refusal(code::METHOD_NOT_FOUND, &text);
        }
        let question = match decode_params(request.params) {
            Ok(question) => question,
            Err(error) => return refusal(code::INVALID_PARAMS, &error.to_string()),
        };
        match self
            .approvals
            .put(request.id, question, replies.downgrade())
        {
            Ok(()) => Ok(Ok(())),
            Err(Unput::Refused(text)) => Ok(Err(text)),
            Err(Unput::Reused) => Err(ClientError::Protocol(
                "a question has the id of another one that is not answered yet".into(),
            )),
        }
    }

    fn answer(&self, id: &Id, outcome: Result<Answer, ClientError>) -> Result<(), ClientError> {
        match id {
            // Nobody waits for a call that was dropped or that timed out.
            Id::Number(id) if self.was_given(*id) => {
                self.settle(*id, outcome.map_err(Unanswered::Error));
                Ok(())
            }
            id => Err(ClientError::protocol(match outcome {
                Err(refusal) => format!("an error for no request of ours (id {id}): {refusal}"),
                Ok(_) => format!("an answer to no request of ours (id {id})"),
            })),
        }
    }

    /// A message that is no text: output is all that comes that way.
    fn came_with_bytes(&self, message: Bytes) -> Result<Option<Behind>, ClientError> {
        let unread = |error: Malformed| {
            ClientError::protocol(format!("a message with bytes cannot be read: {error}"))
        };
        let (head, begin) = split_bytes(&message).map_err(unread)?;
        let output: OutputHead = match Incoming::parse(head).map_err(unread)? {
            Incoming::Notification(note) if note.method == notify::PROCESS_OUTPUT => {
                decode(note.params, &note.method)?
            }
            _ => {
                return Err(ClientError::Protocol(
                    "a message with bytes is none of output".into(),
                ));
            }
        };
        let event = Event::Output {
            stream: output.stream,
            data: what_follows(message, begin),
        };
        self.happened(output.process_id, output.seq, event)
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
                self.routes().changed(changed);
                return Ok(None);
            }
            notify::FS_MISSING_CHANGED => {
                let changed: MissingChangedNotification = decode(note.params, &note.method)?;
                // It may have been given up here.
                if let Some(route) = self.routes().found(changed.watch_id) {
                    // There is room for the one word there is; who does not listen any more misses nothing.
                    let _ = route.try_send(());
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
        self.happened(process, seq, event)
    }

    /// Tells those who follow a process.
    fn happened(
        &self,
        process: ProcessId,
        seq: u64,
        event: Event,
    ) -> Result<Option<Behind>, ClientError> {
        // Numbers count events: these are not of a server that counts.
        if seq > limits::LAST_NUMBER {
            return Err(ClientError::Protocol(format!("an event has number {seq}")));
        }
        let (readers, is_open) = {
            let mut routes = self.routes();
            if event == Event::Closed {
                routes.is_over(&process);
            }
            (routes.readers(&process), routes.is_open())
        };
        // Notifications for unknown processes are ignored: they may be late.
        let Some(readers) = readers else {
            return Ok(None);
        };
        routes::tell(&readers, seq, event, is_open);
        Ok(is_open.then_some(Behind::Events(readers)))
    }

    fn body_came(&self, delta: BodyDeltaNotification) -> Option<Behind> {
        match self.routes().body(delta)? {
            Pushed::Behind(behind) => Some(behind),
            Pushed::Taken | Pushed::Over => None,
        }
    }
}

/// A reader that the connection may have to wait for.
pub(crate) enum Behind {
    Events(Readers),
    Body(mpsc::Sender<Piece>, Piece),
}

impl Behind {
    /// Returns when there is room.
    pub(crate) async fn caught_up(self) {
        match self {
            Behind::Events(queues) => {
                for queue in queues.iter() {
                    queue.has_room().await;
                }
            }
            // Fails where the reader is gone, and needs no piece.
            Behind::Body(pieces, piece) => drop(pieces.send(piece).await),
        }
    }
}

/// The bytes of a message from there on. They stay in the memory that they are in, unless most of it is what came before them: what waits for a reader is counted by its
/// bytes alone.
fn what_follows(mut message: Bytes, begin: usize) -> Vec<u8> {
    let data = message.split_off(begin);
    if data.len() < message.len() {
        return data.to_vec();
    }
    drop(message);
    data.into()
}

fn decode<T: DeserializeOwned>(
    params: Option<Verbatim<'_>>,
    method: &str,
) -> Result<T, ClientError> {
    decode_params(params)
        .map_err(|error| ClientError::protocol(format!("{method} does not decode: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_where_they_are_but_keep_no_memory_of_what_came_before_them() {
        for (before, bytes) in [(100, 0), (100, 3), (1 << 20, 1), (100, 64 << 10)] {
            let message = [vec![b' '; before], vec![7; bytes]].concat();
            let place = message.as_ptr();
            let data = what_follows(message.into(), before);
            assert_eq!(data, vec![7; bytes]);
            assert!(data.capacity() <= 2 * bytes, "{}", data.capacity());
            assert_eq!(data.as_ptr() == place, bytes > before, "{before}, {bytes}");
        }
    }
}
