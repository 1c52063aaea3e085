//! What a client sends: one message, which is the SDK's; a batch, where the session's version of the protocol has them; or none, and then the client is told what is wrong.
//!
//! Each message of a batch goes its own way through the SDK, past all that it checks. Their answers come on one stream, each as an event of its own as soon as it is there.
//! These events have no ids: one would name the place in a single answer, and who came back with it would miss the others.

use std::collections::HashSet;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use rmcp::model::{JsonRpcMessage, ProtocolVersion};
use serde_json::Value;
use serde_json::value::RawValue;

use super::body::Timed;
use super::{Answer, House, door};
use crate::face::limits;
use crate::face::messages::{self, Heard, Refused};

/// What carries a session's name.
const SESSION: &str = "mcp-session-id";

impl House {
    /// The answer to a message, or to several.
    pub(super) async fn answer_post(&self, request: Request<Timed<Incoming>>) -> Answer {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, limits::MESSAGE_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return door::too_much(),
            Err(error) => {
                tracing::debug!("a body did not come: {error}");
                return door::no_body();
            }
        };
        match messages::heard(&body) {
            Ok(Heard::Batch(parts)) => match self.refuses_batch(&head, parts.len()).await {
                Some(refusal) => refusal,
                None => self.answer_batch(&head, parts).await,
            },
            Err(refused) => bad(refused.answer()),
            // What is none of the SDK's it says.
            Ok(Heard::One(_) | Heard::Nothing) => {
                if !head.headers.contains_key(SESSION)
                    && let Some(refused) = messages::is_too_early(&body)
                {
                    return bad(refused.answer());
                }
                let request = Request::from_parts(head, Full::new(body));
                self.service.handle(request).await
            }
        }
    }

    async fn refuses_batch(&self, head: &Parts, messages: usize) -> Option<Answer> {
        let session = head
            .headers
            .get(SESSION)
            .and_then(|name| name.to_str().ok());
        let refused = match session {
            None => Refused::request(format!(
                "a batch belongs to a session of {}, and `initialize`, which begins one, comes by itself: nothing of this batch was done",
                ProtocolVersion::V_2025_03_26
            )),
            Some(name) => match self.sessions.version(name) {
                None => return Some(door::no_session()),
                Some(version) if version != ProtocolVersion::V_2025_03_26 => {
                    messages::no_batches(&version)
                }
                Some(_) => messages::is_no_batch(messages)?,
            },
        };
        Some(bad(refused.answer()))
    }

    async fn answer_batch(&self, head: &Parts, parts: Vec<&RawValue>) -> Answer {
        let (mut good, mut requests, mut refusals) = (Vec::new(), HashSet::new(), Vec::new());
        for part in parts {
            match messages::of_batch(part, |id| requests.contains(id)) {
                Ok(Some(message)) => {
                    if let JsonRpcMessage::Request(request) = &*message {
                        requests.insert(request.id.clone());
                    }
                    good.push(part);
                }
                Ok(None) => {}
                Err(refused) => refusals.push(refused.answer()),
            }
        }
        let (mut first, mut answers) = (None, Vec::new());
        for part in good {
            let body = Full::new(Bytes::copy_from_slice(part.get().as_bytes()));
            let request = Request::from_parts(head.clone(), body);
            let (of_part, body) = self.service.handle(request).await.into_parts();
            match of_part.status {
                StatusCode::ACCEPTED => {}
                StatusCode::OK => {
                    first.get_or_insert(of_part);
                    answers.push(body);
                }
                // It would be the same for the others: such as a session that has ended.
                _ => return Response::from_parts(of_part, body),
            }
        }
        match first {
            None if refusals.is_empty() => door::accepted(),
            None => bad(Value::Array(refusals)),
            Some(head) => {
                let refusals = stream::iter(refusals).map(|refusal| event(&refusal.to_string()));
                let answers = answers.into_iter().map(BodyExt::into_data_stream);
                let answers = stream::select_all(answers)
                    .filter_map(|part| ready(part.ok().and_then(|part| joined(&part))));
                let frames = refusals.chain(answers);
                let frames = frames.map(|event| Ok::<_, Infallible>(Frame::data(event)));
                Response::from_parts(head, BodyExt::boxed(StreamBody::new(frames)))
            }
        }
    }
}

/// An event of one answer as one of many, if it says something. The SDK's come whole.
fn joined(part: &[u8]) -> Option<Bytes> {
    let text = std::str::from_utf8(part).ok()?;
    if text.starts_with(':') {
        return Some(Bytes::copy_from_slice(part));
    }
    let data = text
        .lines()
        .find_map(|line| line.strip_prefix("data:"))?
        .trim();
    (!data.is_empty()).then(|| event(data))
}

fn event(data: &str) -> Bytes {
    format!("data: {data}\n\n").into()
}

fn bad(answer: Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())).boxed());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_many_answers_have_no_ids_and_all_say_something() {
        for (part, expected) in [
            ("data: {\"a\":1}\nid: 3/1\n\n", Some("data: {\"a\":1}\n\n")),
            ("data: \nid: 0/1\nretry: 3000\n\n", None),
            ("retry: 3000\n\n", None),
            (":\n\n", Some(":\n\n")),
        ] {
            let expected = expected.map(str::as_bytes);
            assert_eq!(joined(part.as_bytes()).as_deref(), expected, "{part}");
        }
    }
}
