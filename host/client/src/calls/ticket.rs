//! A call from its place on a link to its answer, and what is left of it where it is given up in between.

use std::ops::Range;
use std::sync::Arc;

use lockgate_wire::Id;
use lockgate_wire::limits::MESSAGE_BYTES;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Calls;
use crate::ClientError;
use crate::routes::Starting;

/// The answer to one call: the whole message and where the result stands in it, so that nothing is copied before it is
/// decoded into the caller's type.
pub(crate) struct Answer {
    message: Utf8Bytes,
    result: Range<usize>,
}

impl Answer {
    pub(crate) fn new(message: Utf8Bytes, result: Range<usize>) -> Answer {
        Answer { message, result }
    }

    pub(crate) fn decode<R: DeserializeOwned>(&self, method: &str) -> Result<R, ClientError> {
        let text = self
            .message
            .as_str()
            .get(self.result.clone())
            .unwrap_or_default();
        serde_json::from_str(text).map_err(|error| {
            ClientError::protocol(format!("the result of {method} does not decode: {error}"))
        })
    }
}

/// Why there is no answer.
pub(crate) enum Unanswered {
    /// The server refused, or the connection has ended.
    Error(ClientError),
    /// The link was lost in between, for this reason.
    Lost(Arc<str>),
}

pub(crate) type Outcome = Result<Answer, Unanswered>;

/// A call that has its place on a link; dropping it forgets the call, and its answer is ignored when it comes.
pub(crate) struct Ticket<'a> {
    room: mpsc::OwnedPermit<String>,
    place: Place<'a>,
}

struct Place<'a> {
    calls: &'a Calls,
    id: i64,
    answer: oneshot::Receiver<Outcome>,
    is_sent: bool,
    /// The process that starts with it.
    starting: Option<Starting>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let answered = {
            // Before the other end is gone, which is in there.
            let mut state = self.calls.state();
            let answered = self.answer.try_recv();
            state.waiting.remove(&self.id);
            answered
        };
        match answered {
            Err(TryRecvError::Empty) if self.is_sent => self.calls.approvals.give_up(self.id),
            _ => self.calls.approvals.is_over(self.id),
        }
        let Some(starting) = self.starting.take() else {
            return;
        };
        let may_run = match answered {
            // Nobody has read it. After the loss of the link recovery takes care of the process.
            Ok(outcome) => outcome.is_ok(),
            Err(TryRecvError::Empty) => self.is_sent,
            // Somebody has.
            Err(TryRecvError::Closed) => false,
        };
        if may_run && !starting.is_taken {
            self.calls.give_up(&starting.process);
        }
    }
}

impl<'a> Ticket<'a> {
    pub(super) fn new(
        calls: &'a Calls,
        id: i64,
        room: mpsc::OwnedPermit<String>,
        answer: oneshot::Receiver<Outcome>,
        starting: Option<Starting>,
    ) -> Ticket<'a> {
        let place = Place {
            calls,
            id,
            answer,
            is_sent: false,
            starting,
        };
        Ticket { room, place }
    }

    /// The call's.
    pub(super) fn id(&self) -> i64 {
        self.place.id
    }

    /// Sends the call and waits for what comes of it. A start that is given up from here on is ended.
    pub(crate) async fn ask<P: Serialize + ?Sized>(
        self,
        method: &str,
        params: &P,
    ) -> Result<Answer, ClientError> {
        let Ticket { room, mut place } = self;
        let unsendable = |reason: String| ClientError::Unsendable {
            what: method.to_owned(),
            reason,
        };
        let message = lockgate_wire::request(&Id::Number(place.id), method, params)
            .map_err(|error| unsendable(error.to_string()))?;
        if message.len() > MESSAGE_BYTES {
            return Err(unsendable(format!(
                "the message has {} bytes, at most {MESSAGE_BYTES} are possible",
                message.len()
            )));
        }
        place.is_sent = true;
        room.send(message);
        match (&mut place.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Unanswered::Error(error))) => Err(error),
            Ok(Err(Unanswered::Lost(why))) => Err(ClientError::Interrupted {
                what: method.to_owned(),
                why: why.to_string(),
            }),
            // Whoever takes the other end away without a word is gone altogether.
            Err(_) => Err(ClientError::Closed("it was closed here".into())),
        }
    }
}
